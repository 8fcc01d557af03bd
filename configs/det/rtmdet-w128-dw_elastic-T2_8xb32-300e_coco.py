"""RTMDet with ElasticViT-T2 on COCO, within 2.5 GMACs.

Papers: ElasticViT, ICCV 2023 (arxiv.org/abs/2303.09730), which has no detection; RTMDet
(arxiv.org/abs/2212.07784), whose recipe this is.  Depthwise separable convolutions in neck and
head, as PicoDet has them (arxiv.org/abs/2111.00902): at equal cost of the head they allow 128
channels instead of 46.  mmdet's head does not share those between levels: 0.25 M parameters.

MACs at 640 x 640:  backbone 1.56 G, neck 0.25 G, head 0.68 G, total 2.49 G.
mAP to expect: not measured.

    tools/dist_train.sh configs/det/elasticvit_rtmdet_coco.py 8 --pretrained checkpoint.pth
"""

_base_ = [
    '../_base_/models/rtmdet.py',
    '../_base_/datasets/coco_mosaic.py',
    '../_base_/rtmdet_runtime.py',
    '../_base_/schedules/adamw_rtmdet_300e.py',
]
model = dict(
    backbone=dict(type='nasvit_mm.ElasticViT', arch='elastic_T2'),
    neck=dict(in_channels=[40, 96, 176], out_channels=128, use_depthwise=True),
    bbox_head=dict(in_channels=128, feat_channels=128, share_conv=False, use_depthwise=True),
)
