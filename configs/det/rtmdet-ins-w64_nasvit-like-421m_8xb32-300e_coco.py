"""RTMDet-Ins with a NASViT subnet on COCO: boxes and masks.

As nasvit_rtmdet_coco.py, with the head of RTMDet-Ins (arxiv.org/abs/2212.07784): prototypes at
stride 8, and for every box the filters that turn them into its mask.

MACs at 640 x 640:  backbone 3.30 G, neck 0.40 G, head 3.12 G, total 6.82 G.
mAP to expect: not measured.

    tools/dist_train.sh configs/det/nasvit_rtmdet_coco_mask.py 8 --pretrained ckpt_360.pth
"""

_base_ = [
    '../_base_/models/rtmdet-ins.py',
    '../_base_/datasets/coco_instance_mosaic.py',
    '../_base_/rtmdet_runtime.py',
    '../_base_/schedules/adamw_rtmdet_300e.py',
]
model = dict(
    backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_like_421m'),
    neck=dict(in_channels=[32, 64, 160], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64),
)
