"""A small RetinaNet on BCCD at 192 x 256, 40 epochs from scratch: what all runs of run.py share.

Data of ../light/_bccd_small.py.  Anchors are of half the side, as the images are, and the head is
narrow, so that the backbone is most of the cost.
"""

_base_ = ['../../configs/_base_/models/retinanet_small.py', '../light/_bccd_small.py']
model = dict(
    neck=dict(out_channels=64),
    bbox_head=dict(
        num_classes=3, in_channels=64, feat_channels=64, anchor_generator=dict(octave_base_scale=2)
    ),
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=40)]
train_cfg = dict(max_epochs=40, val_interval=10)
default_hooks = dict(checkpoint=dict(interval=2, max_keep_ckpts=2))
