"""RTMDet with a NASViT subnet on COCO, within 5 GMACs.

Papers: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L), which has no detection; RTMDet
(arxiv.org/abs/2212.07784), whose recipe this is.  Neck and head are two thirds as wide as
RTMDet-tiny's (8.0 G).  The architecture is a stand-in of this project for the unpublished A2.

MACs at 640 x 640:  backbone 3.30 G, neck 0.40 G, head 1.28 G, total 4.99 G.
mAP to expect: not measured.

    tools/dist_train.sh configs/det/nasvit_rtmdet_coco.py 8 --pretrained ckpt_360.pth
"""

_base_ = [
    '../_base_/models/rtmdet.py',
    '../_base_/datasets/coco_mosaic.py',
    '../_base_/rtmdet_runtime.py',
    '../_base_/schedules/adamw_rtmdet_300e.py',
]
model = dict(
    backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_like_421m'),
    neck=dict(in_channels=[32, 64, 160], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64),
)
