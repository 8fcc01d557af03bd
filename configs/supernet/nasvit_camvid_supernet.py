"""NASViT's supernet inside a segmentor on CamVid: real images, hours on a CPU.

nasvit_ade20k_supernet.py says how it works; here one random subnet a step besides the largest and
the smallest, a head of 64 channels, so that the largest subnet costs 3.75 times the smallest in
total, and a search chooses by CamVid's own val, for its final figure is of test.

    python tools/train.py configs/supernet/nasvit_camvid_supernet.py

It begins with the supernet of nasvit_tiny-imagenet20.py; without, from scratch: --cfg-options
model.model.backbone.init_cfg=None.
"""

_base_ = '../seg/nasvit_camvid.py'
model = dict(
    _delete_=True,
    type='nasvit_mm.Supernet',
    model=_base_.model,
    sampler=dict(type='sandwich', num_random=1),
    conflict=dict(rule='project'),
    distill=dict(sampled='largest', smallest='largest'),
)
model['model']['backbone'].update(
    arch='supernet',
    space=dict(space='nasvit', restrict=dict(resolution=[64])),
    out_width=64,
    channels_last=True,  # quicker on a CPU
    init_cfg=dict(type='Pretrained', checkpoint='work_dirs/nasvit_tiny-imagenet20/iter_1000.pth'),
)
model['model']['decode_head'].update(in_channels=[64, 64, 64, 64], channels=64)
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'largest'], num_calibration=16)
test_cfg = dict(
    type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'], num_calibration=16
)
default_hooks = dict(checkpoint=dict(save_best='largest/mIoU'))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
