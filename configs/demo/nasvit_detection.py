"""RetinaNet with the smallest NASViT subnet on the built-in demo data, small enough for a CPU.

The small RetinaNet of configs/det/nasvit_bccd.py with a pyramid of 64 channels, from scratch, on
images of 288 x 192 in COCO's layout with people, cars, buses and boats.

MACs at 192 x 288:  backbone 0.30 G, neck 0.05 G, head 0.22 G, total 0.56 G.

    python tools/demo_data.py --layout coco
    python tools/train.py configs/demo/nasvit_detection.py
"""

_base_ = '../det/nasvit_bccd.py'
data_root = 'data/demo/coco/'
classes = ('person', 'car', 'bus', 'boat')
model = dict(
    neck=dict(out_channels=64),
    bbox_head=dict(
        num_classes=len(classes),
        in_channels=64,
        feat_channels=64,
        # Objects here are small: half of COCO's sizes.
        anchor_generator=dict(octave_base_scale=2),
    ),
)
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=(288, 192), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(192, 288)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(288, 192), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
dataset = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        pipeline=train_pipeline,
        **dataset,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        pipeline=test_pipeline,
        **dataset,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = val_evaluator
train_cfg = dict(val_interval=8)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=4))
