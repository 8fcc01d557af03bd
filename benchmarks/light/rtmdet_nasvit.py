"""RTMDet with the smallest NASViT subnet on BCCD at 192 x 256, from scratch on a CPU.

Neck and head are RTMDet-tiny's (rtmdet_tiny.py); only the backbone is another.

MACs at 192 x 256:  backbone 0.23 G, neck 0.06 G, head 0.34 G, total 0.63 G.

    python tools/train.py benchmarks/light/rtmdet_nasvit.py
"""

_base_ = ['../../configs/_base_/models/rtmdet.py', './_bccd_small.py']
model = dict(
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='nasvit_min',
        init_cfg=[  # from scratch: not as the identity, see configs/seg/nasvit_camvid.py
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    neck=dict(in_channels=[32, 64, 160]),
    bbox_head=dict(num_classes=3),
)
