r"""search.py by the artefact: mIoU and milliseconds of OpenVINO in int8; for ../deployed.py.

    python tools/benchmark.py benchmarks/ranking/search.py --runtime openvino --precision int8 \
        --threads 1 --build-table work_dirs/ranking/openvino_int8.json
    python tools/search.py benchmarks/ranking/search_int8.py \
        --work-dir work_dirs/ranking/search_int8
"""

_base_ = './search.py'
latency = 'work_dirs/ranking/openvino_int8.json'
objectives = [dict(metric='int8/mIoU', goal='max'), dict(metric='latency', goal='min')]
evaluator = dict(
    type='ArtefactEvaluator',
    input_size=_base_.input_size,
    runtime='openvino',
    precision='int8',
    calibrate=32,
    threads=1,
)
