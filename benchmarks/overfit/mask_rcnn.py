"""A small Mask R-CNN learns the first 16 training images of COCO by heart: a plumbing test.

It is tested on the images that it was trained on.  Box and mask AP well above 0 say that targets,
losses, regions, masks and the metric fit together; they say nothing about other images.  The
smallest NASViT subnet from scratch, a pyramid of 96 channels, 64 regions an image.

MACs at 320 x 416:  backbone 0.65 G, neck 0.95 G, head 6.88 G, total 8.48 G.

    python tools/train.py benchmarks/overfit/mask_rcnn.py   # 600 iterations

The images lie as configs/_base_/datasets/coco.py says; 77.3 box and 59.0 mask AP on them (masks
of COCO's panoptic annotation, boxes of the same instances; seed 0, 45 minutes of half a CPU core).
"""

_base_ = [
    '../../configs/_base_/models/mask-rcnn.py',
    '../../configs/_base_/datasets/coco_instance.py',
    '../../configs/_base_/detection_runtime.py',
    '../../configs/_base_/schedules/adamw_scratch_16e.py',
]
norm_cfg = dict(type='GN', num_groups=16, requires_grad=True)
extractor = dict(out_channels=96)
model = dict(
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='nasvit_min',
        init_cfg=[  # from scratch: not as the identity, see configs/seg/nasvit_camvid.py
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    neck=dict(in_channels=[24, 32, 64, 160], out_channels=96, norm_cfg=norm_cfg),
    rpn_head=dict(in_channels=96, feat_channels=96),
    roi_head=dict(
        bbox_roi_extractor=extractor,
        bbox_head=dict(in_channels=96, fc_out_channels=256),
        mask_roi_extractor=extractor,
        mask_head=dict(num_convs=2, in_channels=96, conv_out_channels=96, norm_cfg=norm_cfg),
    ),
    train_cfg=dict(rcnn=dict(sampler=dict(num=64))),
)

resize = dict(type='Resize', scale=(416, 320), keep_ratio=True)
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    resize,
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    resize,
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(  # 'instances': of them the metric makes its truth, of these 16 images alone
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
    ),
]
train_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(indices=16, pipeline=train_pipeline)
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        # As in training: without it images that have no object would be among the first 16.
        test_mode=False,
        indices=16,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=None)
test_evaluator = val_evaluator

EPOCHS = 150
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0,
        by_epoch=True,
        begin=0,
        end=EPOCHS,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=EPOCHS, val_interval=25)
default_hooks = dict(logger=dict(interval=4), checkpoint=dict(interval=25))
