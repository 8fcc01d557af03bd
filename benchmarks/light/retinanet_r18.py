"""The small RetinaNet with ResNet-18 on BCCD at 192 x 256, from scratch on a CPU: a baseline of
rtmdet_nasvit.py.

The model of benchmarks/bccd/retinanet_r18.py.

MACs at 192 x 256:  backbone 1.78 G, neck 0.11 G, head 0.40 G, total 2.28 G.

    python tools/train.py benchmarks/light/retinanet_r18.py
"""

_base_ = ['../../configs/_base_/models/retinanet_small.py', './_bccd_small.py']
model = dict(
    backbone=dict(
        type='ResNet',
        depth=18,
        num_stages=4,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    ),
    neck=dict(in_channels=[128, 256, 512]),
    bbox_head=dict(num_classes=3),
)
