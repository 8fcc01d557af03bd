"""The small RetinaNet with ResNet-18 on BCCD: the baseline of configs/det/nasvit_bccd.py.

The same pyramid, head, data and schedule, from scratch as well.

MACs at 352 x 480:  backbone 6.11 G, neck 0.37 G, head 1.36 G, total 7.83 G.

    python tools/train.py benchmarks/bccd/retinanet_r18.py
"""

_base_ = [
    '../../configs/_base_/models/retinanet_small.py',
    '../../configs/_base_/datasets/bccd.py',
    '../../configs/_base_/detection_runtime.py',
    '../../configs/_base_/schedules/adamw_scratch_16e.py',
]
model = dict(
    backbone=dict(
        type='ResNet',
        depth=18,
        num_stages=4,
        out_indices=(1, 2, 3),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    ),
    neck=dict(in_channels=[128, 256, 512]),
    bbox_head=dict(num_classes=3),
)
