"""NASViT's supernet in a segmentor on CamVid, from scratch: no teacher, no shrinking.

The whole space at one resolution; each step trains the largest, the smallest and one random subnet
by the labels, the latter two by the largest's outputs as well.  The limit of the gradient is that
of a network alone.

    python tools/train.py benchmarks/ranking/supernet.py
"""

_base_ = './alone.py'
model = dict(
    _delete_=True,
    type='nasvit_mm.Supernet',
    model=_base_.model,
    sampler=dict(type='sandwich', num_random=1),
    conflict=dict(rule='project'),
    distill=dict(sampled='largest', smallest='largest'),
)
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'largest'], num_calibration=16)
test_cfg = dict(
    type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'], num_calibration=16
)
default_hooks = dict(checkpoint=dict(save_best='largest/mIoU'))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
