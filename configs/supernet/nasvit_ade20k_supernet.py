"""NASViT's supernet inside a segmentor on ADE20K: every subnet is at once a segmentation model.

Not in any paper.  Model, head, data and schedule are those of configs/seg/nasvit_ade20k.py, the
method that of nasvit_in1k_supernet.py: largest, smallest and two random subnets a step, gradient
projection, distillation of the largest one's pixels; but no limit of the subnets' gradient
(docs/guides/supernets.md).  Every output of the backbone ends in 64 channels (`out_width`), so that
one head serves all subnets.  One training image in 20 is held out: by these
configs/search/nasvit_ade20k_miou.py chooses, the validation set is for the final figure.

The backbone begins with the supernet of nasvit_in1k_supernet.py (or the authors', converted), any
resolution of it: a dense model has one.

    tools/dist_train.sh configs/supernet/nasvit_ade20k_supernet.py 8

mIoU to expect: not measured.
"""

_base_ = '../seg/nasvit_ade20k.py'
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
    out_width=64,
    drop_path_rate=0.0,
    init_cfg=dict(type='Pretrained', checkpoint='work_dirs/nasvit_in1k_supernet/iter_1000800.pth'),
)
model['model']['decode_head'].update(in_channels=[64, 64, 64, 64], dropout_ratio=0.0)
split = dict(type='nasvit_mm.SplitDataset', every=20)
train_dataloader = dict(
    dataset=dict(_delete_=True, part='train', dataset=_base_.train_dataloader.dataset, **split)
)
held_out_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        part='held_out',
        dataset=dict(_base_.train_dataloader.dataset, pipeline=_base_.test_pipeline),
        **split,
    ),
)
held_out_evaluator = _base_.val_evaluator
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'largest'], num_calibration=32)
test_cfg = dict(
    type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'], num_calibration=32
)
default_hooks = dict(checkpoint=dict(save_best='largest/mIoU'))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
