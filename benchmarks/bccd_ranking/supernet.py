"""NASViT's supernet in a small RetinaNet on BCCD, from scratch, without a teacher.

python tools/train.py benchmarks/bccd_ranking/supernet.py
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
val_cfg = dict(
    _delete_=True,
    type='nasvit_mm.SubnetValLoop',
    subnets=['smallest', 'largest'],
    num_calibration=16,
)
test_cfg = dict(
    _delete_=True,
    type='nasvit_mm.SubnetTestLoop',
    subnets=['smallest', 'largest'],
    num_calibration=16,
)
default_hooks = dict(checkpoint=dict(save_best='largest/coco/bbox_mAP'))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
