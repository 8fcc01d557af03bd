"""COCO 2017, boxes, at 640 x 640: RTMDet's two pipelines, mosaic and mix-up for 280 of 300 epochs.

The data of `coco.py`; the ranges and cache sizes are those of mmdet's RTMDet-tiny.  Mosaic and
mix-up join an image with some that its worker has seen before, so a resumed run draws others.

For another length, --cfg-options train_cfg.max_epochs=100 --fit-schedule moves the last epochs too;
with custom_hooks.0.switch_epoch=90 they are as many as you say.
"""

_base_ = 'coco.py'
size = (640, 640)
pad = dict(type='Pad', size=size, pad_val=dict(img=(114, 114, 114)))
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='CachedMosaic', img_scale=size, pad_val=114.0, max_cached_images=20, random_pop=False
    ),
    dict(type='RandomResize', scale=(1280, 1280), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=size),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    pad,
    dict(
        type='CachedMixUp',
        img_scale=size,
        ratio_range=(1.0, 1.0),
        max_cached_images=10,
        random_pop=False,
        pad_val=(114, 114, 114),
        prob=0.5,
    ),
    dict(type='PackDetInputs'),
]
last_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=size, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=size),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    pad,
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=size, keep_ratio=True),
    pad,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=10,
    batch_sampler=None,  # all images have one shape
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(batch_size=5, num_workers=10, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [dict(type='PipelineSwitchHook', switch_epoch=280, switch_pipeline=last_pipeline)]
