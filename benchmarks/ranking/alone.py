"""One architecture of the space, trained alone as the supernet's subnets are: the same start,
schedule, data and head, no supernet.

run.py names the architecture: --cfg-options model.backbone.arch=FILE.json
"""

_base_ = './_camvid.py'
model = dict(
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='supernet',
        space=dict(space='nasvit', restrict=dict(resolution=[64])),
        out_width=64,
        channels_last=True,
        init_cfg=[
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    decode_head=dict(in_channels=[64, 64, 64, 64], channels=64),
)
