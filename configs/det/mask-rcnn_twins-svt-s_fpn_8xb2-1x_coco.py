"""Mask R-CNN with Twins-SVT-S, a member of ViTAS's Twins-like space on COCO, 1x.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700); the recipe is Twins', with a learning rate of
2e-4.

MACs at 800 x 1344:  backbone 88.64 G, neck 54.71 G, head 120.44 G, total 263.78 G
(of 1,000 regions for boxes and 100 for masks).
mAP to expect: not measured.

    tools/dist_train.sh configs/det/vitas_coco_mask.py 8 --pretrained twins_svt_small
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/datasets/coco_instance.py',
    '../_base_/detection_runtime.py',
    '../_base_/schedules/adamw_1x.py',
]
model = dict(
    backbone=dict(
        type='nasvit_mm.TwinsViTAS', arch='twins_svt_small', stage_norm=True, drop_path_rate=0.2
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
