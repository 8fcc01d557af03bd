"""A detector of one architecture of NASViT's space, trained alone; run.py names it:
--cfg-options model.backbone.arch=FILE.json
"""

_base_ = './_detector.py'
model = dict(
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='supernet',
        space=dict(space='nasvit', restrict=dict(resolution=[64])),
        out_indices=(1, 2, 3, 4),
        out_width=64,
        channels_last=True,
        init_cfg=[
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    neck=dict(in_channels=[64, 64, 64, 64]),
)
