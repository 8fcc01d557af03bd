"""The supernet of the Twins-like ViTAS space inside RetinaNet on COCO: every subnet is a detector.

Not in any paper.  Model, head, data and schedule are those of configs/det/vitas_coco.py, the method
that of vitas_twins_in1k.py: one path a step, cyclic sharing of channels, labels only.  Every output
of the backbone ends in 256 channels (`out_width`), so that one neck and head serve all subnets.
One training image in 20 is held out: by these configs/search/vitas_coco_map.py chooses.

The backbone begins with the supernet of vitas_twins_in1k.py.

    tools/dist_train.sh configs/supernet/vitas_coco_supernet.py 8

mAP to expect: not measured.
"""

_base_ = '../det/vitas_coco.py'
model = dict(
    _delete_=True, type='nasvit_mm.Supernet', model=_base_.model, sampler=dict(type='single_path')
)
model['model']['backbone'].update(
    arch='supernet',
    space=dict(space='vitas_twins'),
    sharing='cyclic',
    out_width=256,
    drop_path_rate=0.0,
    init_cfg=dict(type='Pretrained', checkpoint='work_dirs/vitas_twins_in1k/iter_375300.pth'),
)
model['model']['neck'].update(in_channels=[256, 256, 256])
split = dict(type='nasvit_mm.SplitDataset', every=20)
train_dataloader = dict(
    dataset=dict(_delete_=True, part='train', dataset=_base_.train_dataloader.dataset, **split)
)
held_out_pipeline = [
    *_base_.test_pipeline[:-1],
    dict(  # with the boxes: the metric below has no annotation file of this part
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
    ),
]
held_out_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        part='held_out',
        dataset=dict(_base_.train_dataloader.dataset, pipeline=held_out_pipeline),
        **split,
    ),
)
held_out_evaluator = dict(type='CocoMetric', metric='bbox')
val_cfg = dict(
    type='nasvit_mm.SubnetValLoop',
    subnets=['smallest', 'twins_svt_small', 'largest'],
    num_calibration=0,
)
test_cfg = dict(
    type='nasvit_mm.SubnetTestLoop',
    subnets=['smallest', 'twins_svt_small', 'largest'],
    num_calibration=0,
)
default_hooks = dict(checkpoint=dict(save_best='largest/coco/bbox_mAP'))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
