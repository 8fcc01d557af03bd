"""RTMDet with NASViT's largest subnet on COCO, 12 GMACs: the short name of the config below, which
says more.

MACs at 640 x 640:  backbone 8.35 G, neck 0.64 G, head 2.85 G, total 11.85 G.

    tools/dist_train.sh configs/det/nasvit_rtmdet_coco_mid.py 8
"""

_base_ = './rtmdet-w96_nasvit-max_8xb32-300e_coco.py'
