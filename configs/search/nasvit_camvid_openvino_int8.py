r"""NASViT segmentors for CamVid as int8 artefacts of OpenVINO: their mIoU and milliseconds there.

What is searched for is what is deployed: each candidate is quantised and judged by OpenVINO, and
its latency comes from a table of blocks in the same precision, built on the device that will run
it.

    python tools/benchmark.py configs/search/nasvit_camvid_miou.py --runtime openvino \
        --precision int8 --threads 1 --build-table work_dirs/nasvit_camvid_openvino_int8.json
    python tools/search.py configs/search/nasvit_camvid_openvino_int8.py

The supernet is that of configs/supernet/nasvit_camvid_supernet.py.
"""

_base_ = './nasvit_camvid_miou.py'
latency = 'work_dirs/nasvit_camvid_openvino_int8.json'
objectives = [dict(metric='int8/mIoU', goal='max'), dict(metric='latency', goal='min')]
evaluator = dict(
    type='ArtefactEvaluator',
    input_size=_base_.input_size,
    runtime='openvino',
    precision='int8',
    calibrate=32,  # training images
)
