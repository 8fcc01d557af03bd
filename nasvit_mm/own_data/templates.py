"""Texts of the configs that are written for a task; <name> is filled in by configs.py."""

SEG_DATA = '''"""<title>: <counts> images of <number> classes, as nasvit-mm new laid them out.

<folder>/data/img_dir/SPLIT/*<suffix>    links to the images
<folder>/data/ann_dir/SPLIT/*.png    class numbers, 255: ignored
"""

data_root = <root>
metainfo = dict(
    classes=(
<classes>
    ),
    palette=[
<palette>
    ],
)
crop_size = <crop>
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=<scale>, ratio_range=(0.75, 1.75), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
<resize>    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
dataset = dict(
    type='BaseSegDataset',
    data_root=data_root,
    metainfo=metainfo,
    img_suffix='<suffix>',
    seg_map_suffix='.png',
)
train_dataloader = dict(
    batch_size=<batch>,
    num_workers=<workers>,
    persistent_workers=<persistent>,
    sampler=dict(type='nasvit_mm.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        dataset,
        data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=<workers>,
    persistent_workers=<persistent>,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        dataset,
        data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader,
    dataset=dict(
        val_dataloader['dataset'],
        data_prefix=dict(img_path='img_dir/test', seg_map_path='ann_dir/test'),
    ),
)
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
'''

DET_DATA = '''"""<title>: <counts> images of <number> classes, as nasvit-mm new laid them out.

<folder>/data/images/SPLIT/*<suffix>    links to the images
<folder>/data/annotations/SPLIT.json    boxes, in COCO's JSON
"""

data_root = <slashed_root>
metainfo = dict(
    classes=(
<classes>
    )
)
train_pipeline = [
    dict(type='nasvit_mm.SeedTransforms'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=<scale>, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=<crop>),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=<scale>, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
dataset = dict(type='CocoDataset', data_root=data_root, metainfo=metainfo)
train_dataloader = dict(
    batch_size=<batch>,
    num_workers=<workers>,
    persistent_workers=<persistent>,
    sampler=dict(type='nasvit_mm.SeededEpochSampler', shuffle=True),
    drop_last=True,  # batch norms learn nothing of a last batch of one
    dataset=dict(
        dataset,
        ann_file='annotations/train.json',
        data_prefix=dict(img='images/train/'),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=<workers>,
    persistent_workers=<persistent>,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        dataset,
        ann_file='annotations/val.json',
        data_prefix=dict(img='images/val/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader,
    dataset=dict(
        val_dataloader['dataset'],
        ann_file='annotations/test.json',
        data_prefix=dict(img='images/test/'),
    ),
)
val_evaluator = dict(
    type='CocoMetric', ann_file=data_root + 'annotations/val.json', metric='bbox'
)
test_evaluator = dict(val_evaluator, ann_file=data_root + 'annotations/test.json')
'''

CLS_DATA = '''"""<title>: <counts> images of <number> classes, as nasvit-mm new laid them out.

<folder>/data/SPLIT/CLASS/*<suffix>    links to the images
"""

data_root = <root>
num_classes = <number>
train_dataloader = dict(
    batch_size=<batch>,
    num_workers=<workers>,
    persistent_workers=<persistent>,
    drop_last=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='nasvit_mm.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='nasvit_mm.ImageFolder',
        data_root=data_root,
        split='train',
        transform=dict(
            input_size=<side>,
            is_training=True,
            auto_augment='rand-n1-m1-mstd0.5-inc1',
            interpolation='bicubic',
            scale=(0.5, 1.0),
        ),
    ),
)
val_dataloader = dict(
    batch_size=<batch>,
    num_workers=<workers>,
    persistent_workers=<persistent>,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='nasvit_mm.ImageFolder',
        data_root=data_root,
        split='val',
        transform=dict(
            input_size=<side>, is_training=False, interpolation='bicubic', crop_pct=1.0
        ),
    ),
)
test_dataloader = dict(val_dataloader, dataset=dict(val_dataloader['dataset'], split='test'))
val_evaluator = dict(type='nasvit_mm.Accuracy', topk=(1,))
test_evaluator = val_evaluator
'''

SEG_TASK = '''"""The smallest NASViT under SegFormer's head, from scratch, without a search.

    nasvit-mm train <folder>/task.py
"""

_base_ = [
    'nasvit_mm::_base_/models/segformer-head.py',
    './data.py',
    'nasvit_mm::_base_/default_runtime.py',
    'nasvit_mm::_base_/schedules/adamw_scratch_2k.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='smallest',
        space=dict(space='nasvit', restrict=dict(resolution=[<resolution>])),
        out_width=<width>,
        init_cfg=[  # a short training from scratch begins better like this than as the identity
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    decode_head=dict(
        in_channels=[<width>] * 4, channels=128, dropout_ratio=0.0, num_classes=<number>
    ),
)
<schedule>
default_hooks = dict(logger=dict(interval=<log>), checkpoint=dict(interval=<interval>))
work_dir = <train_work>
'''

DET_TASK = '''"""The smallest NASViT in a small RetinaNet, from scratch: the model without a search.

    nasvit-mm train <folder>/task.py
"""

_base_ = [
    'nasvit_mm::_base_/models/retinanet_small.py',
    './data.py',
    'nasvit_mm::_base_/detection_runtime.py',
    'nasvit_mm::_base_/schedules/adamw_scratch_16e.py',
]
model = dict(
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='smallest',
        space=dict(space='nasvit', restrict=dict(resolution=[<resolution>])),
        out_indices=(1, 2, 3, 4),
        out_width=<width>,
        init_cfg=[  # a short training from scratch begins better like this than as the identity
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    neck=dict(in_channels=[<width>] * 4),
    bbox_head=dict(num_classes=<number>),
)
<schedule>
default_hooks = dict(logger=dict(interval=<log>))
work_dir = <train_work>
'''

CLS_TASK = '''"""The smallest NASViT, from scratch: the classifier without a search.

    nasvit-mm train <folder>/task.py
"""

_base_ = ['nasvit_mm::_base_/classification_runtime.py', './data.py']
model = dict(
    type='nasvit_mm.ImageClassifier',
    space=dict(space='nasvit', restrict=dict(resolution=[<resolution>])),
    arch='smallest',
    num_classes=<number>,
    label_smoothing=0.1,
    resize=True,
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.01),
    clip_grad=dict(max_norm=1.0),
)
<schedule>
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    logger=dict(interval=<log>),
    checkpoint=dict(interval=<interval>, save_best='accuracy/top1'),
)
work_dir = <train_work>
'''

SUPERNET = '''"""The supernet in this task: largest, smallest and a random subnet in each step.

    nasvit-mm train <folder>/supernet.py
"""

_base_ = './task.py'
model = dict(
    _delete_=True,
    type='nasvit_mm.Supernet',
    model=_base_.model,
    sampler=dict(type='sandwich', num_random=1),
    conflict=dict(rule='project'),
    distill=dict(sampled='largest', smallest='largest'),
)
model['model']<holder>['arch'] = 'supernet'
<supernet_schedule>
val_cfg = dict(
    type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'largest'], num_calibration=<calibration>
)
test_cfg = dict(
    type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'], num_calibration=<calibration>
)
default_hooks = dict(checkpoint=dict(<supernet_checkpoint>save_best='largest/<metric>'))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
work_dir = <supernet_work>
'''

SEARCH = '''"""Subnets of the supernet by their <short> on val and their <cost> at <high> x <wide>.

    nasvit-mm search <folder>/search.py --resume
    nasvit-mm export <folder>/search.py --out <work>/winner

<budget>
"""

space = dict(space='nasvit', restrict=dict(resolution=[<resolution>]))
<task_and_size>objectives = [dict(metric='<metric>', goal='max'), dict(metric='<cost>', goal='min')]
<constraints><latency>evaluator = dict(
    type='SupernetEvaluator',
    config=<supernet_config>,
    checkpoint=<checkpoint>,
    split='val',
    num_calibration=<calibration>,
)
algorithm = dict(type='nsga2', population=<population>, generations=<generations>)
initial = ['smallest', 'largest']  # random ones are all of the middle
seed = 0
work_dir = <search_work>
'''

DEPLOY = '''"""The same search by what is deployed: each candidate as an int8 artefact of OpenVINO.

    nasvit-mm search <folder>/deploy.py --resume
"""

_base_ = './search.py'
objectives = [dict(metric='int8/<metric>', goal='max'), dict(metric='<cost>', goal='min')]
evaluator = dict(
    type='ArtefactEvaluator',
    input_size=<input_size>,
    runtime='openvino',
    precision='int8',
    calibrate=<calibrate>,  # training images
)
work_dir = <deploy_work>
'''
