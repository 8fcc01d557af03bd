"""configs/seg/nasvit_ade20k.py over the built-in demo data, small enough for a CPU.

The smallest NASViT subnet from scratch, on images of 192 x 128 (ADE20K's: 512 on the short side);
the rest is ADE20K's.  `make demo` draws the data, runs this and shows the result.

MACs at 128 x 192:  backbone 0.12 G, head 0.12 G, total 0.24 G.
"""

_base_ = '../seg/nasvit_ade20k.py'
data_root = 'data/demo/ADEChallengeData2016'
crop_size = (128, 192)
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(
        arch='nasvit_min',
        drop_path_rate=0.0,
        init_cfg=[  # from scratch: not as the identity, see configs/seg/nasvit_camvid.py
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    decode_head=dict(dropout_ratio=0.0),
)
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomResize', scale=(512, 128), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(512, 128), keep_ratio=True),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=4, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(num_workers=2, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(
    optimizer=dict(lr=2e-3),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0), scale_=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=20),
    dict(type='PolyLR', eta_min=0.0, power=0.9, begin=20, by_epoch=False),
]
train_cfg = dict(max_iters=160, val_interval=160)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=40))
