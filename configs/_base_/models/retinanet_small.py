"""RetinaNet for a CPU: a pyramid of 96 channels, towers of 2 convolutions with group norm.

Group norm, because nothing here is pretrained and batches are small.
"""

_base_ = 'retinanet.py'
norm_cfg = dict(type='GN', num_groups=16, requires_grad=True)
model = dict(
    neck=dict(out_channels=96, norm_cfg=norm_cfg),
    bbox_head=dict(in_channels=96, feat_channels=96, stacked_convs=2, norm_cfg=norm_cfg),
)
