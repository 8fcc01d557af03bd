"""CamVid at half its size, 300 iterations from scratch, under the smallest NASViT subnet: what the
heads here share.

Outputs at strides 8 to 64.
"""

_base_ = [
    '../../configs/_base_/models/segformer-head.py',
    '../../configs/_base_/datasets/camvid.py',
    '../../configs/_base_/default_runtime.py',
    '../../configs/_base_/schedules/adamw_scratch_2k.py',
]
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(240, 180), ratio_range=(0.75, 1.75), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(176, 176), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(240, 180), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
model = dict(
    data_preprocessor=dict(size=(176, 176)),
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='nasvit_min',
        init_cfg=[  # from scratch: not as the identity, see configs/seg/nasvit_camvid.py
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    decode_head=dict(in_channels=[32, 64, 160, 208], dropout_ratio=0.0, num_classes=11),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=30),
    dict(type='PolyLR', eta_min=0.0, power=0.9, begin=30, by_epoch=False),
]
train_cfg = dict(max_iters=300, val_interval=150)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
