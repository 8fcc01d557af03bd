"""NASViT's supernet inside RTMDet on COCO: every subnet is at once a light detector.

Not in any paper.  Model, head, data and schedule are those of configs/det/nasvit_rtmdet_coco.py,
without the moving average; the method is that of nasvit_in1k_supernet.py: largest, smallest and two
random subnets a step, gradient projection, distillation of the largest one's class scores; but no
limit of the subnets' gradient (docs/guides/supernets.md).  The outputs of the backbone end in the
widths of that config (`out_width`), so that one neck and head serve all subnets.  One training
image in 20 is held out: by these configs/search/nasvit_rtmdet_5g.py chooses.

The backbone begins with the supernet of nasvit_in1k_supernet.py (or the authors', converted).

    tools/dist_train.sh configs/supernet/nasvit_rtmdet_coco_supernet.py 8

mAP to expect: not measured.
"""

_base_ = '../det/nasvit_rtmdet_coco.py'
model = dict(
    _delete_=True,
    type='nasvit_mm.Supernet',
    model=_base_.model,
    sampler=dict(type='sandwich', num_random=2),
    conflict=dict(rule='project'),
    distill=dict(sampled='largest', smallest='largest'),
)
model['model']['backbone'].update(
    arch='supernet',
    space=dict(space='nasvit', restrict=dict(resolution=[224])),
    out_width=[32, 64, 160],
    init_cfg=dict(type='Pretrained', checkpoint='work_dirs/nasvit_in1k_supernet/iter_1000800.pth'),
)
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
    batch_size=5,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        part='held_out',
        dataset=dict(_base_.train_dataloader.dataset, pipeline=held_out_pipeline),
        **split,
    ),
)
held_out_evaluator = dict(type='CocoMetric', metric='bbox')
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'largest'], num_calibration=32)
test_cfg = dict(
    type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'], num_calibration=32
)
hooks = {name: hook for name, hook in _base_.default_hooks.items() if name != 'ema'}
hooks['checkpoint'].update(save_best='largest/coco/bbox_mAP')
default_hooks = dict(_delete_=True, **hooks)
custom_hooks = [*_base_.custom_hooks, dict(type='nasvit_mm.SupernetState')]
