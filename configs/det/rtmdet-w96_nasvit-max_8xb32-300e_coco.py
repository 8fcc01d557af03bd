"""RTMDet with NASViT's largest subnet on COCO, 12 GMACs.

As nasvit_rtmdet_coco.py, with the neck and the head of RTMDet-tiny; between RTMDet-tiny (8.0 G) and
RTMDet-s (14.8 G).

MACs at 640 x 640:  backbone 8.35 G, neck 0.64 G, head 2.85 G, total 11.85 G.
mAP to expect: not measured.

    tools/dist_train.sh configs/det/nasvit_rtmdet_coco_mid.py 8 --pretrained ckpt_360.pth
"""

_base_ = './rtmdet-w64_nasvit-like-421m_8xb32-300e_coco.py'
model = dict(
    backbone=dict(arch='nasvit_max'),
    neck=dict(in_channels=[40, 72, 184], out_channels=96),
    bbox_head=dict(in_channels=96, feat_channels=96),
)
