r"""NASViT backbones for ADE20K by their latency on your device instead of their MACs.

    python tools/benchmark.py configs/search/nasvit_ade20k_5g_search.py \
        --build-table work_dirs/latency.json
    python tools/search.py configs/search/nasvit_ade20k_latency.py

The table is of blocks in the whole model at 512 x 512, backbone and head; a bound on its
milliseconds goes into `constraints`, as dict(metric='latency', high=...).
"""

_base_ = './nasvit_ade20k_5g_search.py'
latency = 'work_dirs/latency.json'
objectives = [dict(metric='accuracy/top1', goal='max'), dict(metric='latency', goal='min')]
algorithm = dict(bins=5.0)  # milliseconds
