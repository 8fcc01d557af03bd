"""NASViT's supernet inside the demo's segmentor, small enough for a CPU.

configs/supernet/nasvit_ade20k_supernet.py over the built-in demo data, one training image in 5
held out; the width of the head is elastic too. It begins with the supernet of
configs/demo/nasvit_supernet.py.

    python tools/demo_data.py
    python tools/train.py configs/demo/nasvit_dense.py
"""

_base_ = './nasvit_demo.py'
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
    space=dict(
        space='nasvit',
        restrict=dict(resolution=[48]),
        task=dict(head=[64, 128, 256]),  # the largest is the task's own
    ),
    out_width=64,
    init_cfg=dict(type='Pretrained', checkpoint='work_dirs/demo/supernet/iter_80.pth'),
)
model['model']['decode_head'].update(in_channels=[64, 64, 64, 64])
split = dict(type='nasvit_mm.SplitDataset', every=5)
train_dataloader = dict(
    dataset=dict(_delete_=True, part='train', dataset=_base_.train_dataloader.dataset, **split)
)
held_out_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        part='held_out',
        dataset=dict(_base_.train_dataloader.dataset, pipeline=_base_.test_pipeline),
        **split,
    ),
)
held_out_evaluator = _base_.val_evaluator
train_cfg = dict(max_iters=100, val_interval=100)
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'largest'], num_calibration=8)
test_cfg = dict(type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'], num_calibration=8)
default_hooks = dict(checkpoint=dict(interval=50, save_best='largest/mIoU'))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
