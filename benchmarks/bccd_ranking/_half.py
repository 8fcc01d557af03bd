"""BCCD at half the side of configs/_base_/datasets/bccd.py, 40 epochs from scratch.

What all runs of run.py share.  Anchors are of half the side too, and the head is narrow, so
that the backbone is most of the cost.
"""

_base_ = [
    '../../configs/_base_/models/retinanet_small.py',
    '../../configs/_base_/datasets/bccd.py',
    '../../configs/_base_/detection_runtime.py',
    '../../configs/_base_/schedules/adamw_scratch_16e.py',
]
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=(240, 180), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(160, 224)),
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(240, 180), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
model = dict(
    neck=dict(out_channels=64),
    bbox_head=dict(
        num_classes=3, in_channels=64, feat_channels=64, anchor_generator=dict(octave_base_scale=2)
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0,
        by_epoch=True,
        begin=0,
        end=40,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=40, val_interval=10)
default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=2))
