"""Mask R-CNN with a NASViT subnet on COCO, 1x.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L), which has no detection; the recipe is
Twins', with a learning rate of 2e-4. The architecture is a stand-in of this project for the
unpublished A2.

MACs at 800 x 1344:  backbone 9.78 G, neck 53.44 G, head 120.44 G, total 183.66 G
(of 1,000 regions for boxes and 100 for masks).
mAP to expect: not measured.

    tools/dist_train.sh configs/det/nasvit_coco_mask.py 8 --pretrained ckpt_360.pth
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/datasets/coco_instance.py',
    '../_base_/detection_runtime.py',
    '../_base_/schedules/adamw_1x.py',
]
model = dict(
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='nasvit_like_421m',
        norm_cfg=dict(type='SyncBN', requires_grad=True),  # of 2 images a GPU, too few alone
        drop_path_rate=0.1,
    ),
    neck=dict(in_channels=[32, 32, 64, 160]),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
