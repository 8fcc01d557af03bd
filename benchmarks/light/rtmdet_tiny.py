"""mmdet's RTMDet-tiny on BCCD at 192 x 256, from scratch on a CPU: a baseline of rtmdet_nasvit.py.

MACs at 192 x 256:  backbone 0.33 G, neck 0.29 G, head 0.34 G, total 0.96 G.

    python tools/train.py benchmarks/light/rtmdet_tiny.py
"""

_base_ = ['../../configs/_base_/models/rtmdet.py', './_bccd_small.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='CSPNeXt',
        arch='P5',
        deepen_factor=0.167,
        widen_factor=0.375,
        expand_ratio=0.5,
        channel_attention=True,
        norm_cfg=dict(type='BN', requires_grad=True),
        act_cfg=dict(type='SiLU', inplace=True),
    ),
    neck=dict(in_channels=[96, 192, 384]),
    bbox_head=dict(num_classes=3),
)
