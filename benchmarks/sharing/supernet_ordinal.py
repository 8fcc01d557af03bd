"""The Twins supernet by single paths, from labels: a width has the first channels.

python tools/train.py benchmarks/sharing/supernet_ordinal.py
"""

_base_ = './_twins.py'
model = dict(
    _delete_=True, type='nasvit_mm.Supernet', model=_base_.model, sampler=dict(type='single_path')
)
model['model']['backbone'].update(sharing='ordinal')
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'largest'], num_calibration=16)
test_cfg = dict(
    type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'], num_calibration=16
)
default_hooks = dict(checkpoint=dict(save_best='largest/mIoU'))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
