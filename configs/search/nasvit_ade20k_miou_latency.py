r"""NASViT segmentors for ADE20K by their own mIoU and their latency on your device.

    python tools/benchmark.py configs/search/nasvit_ade20k_miou.py \
        --build-table work_dirs/latency_dense.json
    python tools/search.py configs/search/nasvit_ade20k_miou_latency.py

The table is of blocks in the whole model at 512 x 512, taps and head with it.
"""

_base_ = './nasvit_ade20k_miou.py'
latency = 'work_dirs/latency_dense.json'
objectives = [dict(metric='mIoU', goal='max'), dict(metric='latency', goal='min')]
