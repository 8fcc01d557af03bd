"""Mask R-CNN with ElasticViT-L2 on COCO, 1x.

Paper: ElasticViT, ICCV 2023 (arxiv.org/abs/2303.09730), which has no detection; the recipe is
Twins', with a learning rate of 2e-4.

MACs at 800 x 1344:  backbone 9.62 G, neck 53.43 G, head 120.44 G, total 183.49 G
(of 1,000 regions for boxes and 100 for masks).
mAP to expect: not measured.

    tools/dist_train.sh configs/det/elasticvit_coco_mask.py 8 --pretrained checkpoint.pth
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/datasets/coco_instance.py',
    '../_base_/detection_runtime.py',
    '../_base_/schedules/adamw_1x.py',
]
model = dict(
    backbone=dict(
        type='nasvit_mm.ElasticViT',
        arch='elastic_L2',
        norm_cfg=dict(type='SyncBN', requires_grad=True),  # of 2 images a GPU, too few alone
        drop_path_rate=0.1,
    ),
    neck=dict(in_channels=[24, 40, 128, 256]),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
