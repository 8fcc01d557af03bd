"""CamVid at half its size, 100 epochs: what every run of this folder shares.

Crops of 160 x 128 in training, whole images of 240 x 180 in validation and test, where the logits
are brought to the labels' 480 x 360.  4,600 iterations of 8 crops are 100 epochs of the 367
training images.  One loading process, for these runs have one thread each.
"""

_base_ = [
    '../../configs/_base_/models/segformer-head.py',
    '../../configs/_base_/datasets/camvid.py',
    '../../configs/_base_/default_runtime.py',
    '../../configs/_base_/schedules/adamw_scratch_2k.py',
]
crop_size = (128, 160)
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(240, 180), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
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
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
model = dict(
    data_preprocessor=dict(size=crop_size), decode_head=dict(dropout_ratio=0.0, num_classes=11)
)
train_cfg = dict(max_iters=4600, val_interval=460)
default_hooks = dict(checkpoint=dict(interval=230, max_keep_ckpts=2))
