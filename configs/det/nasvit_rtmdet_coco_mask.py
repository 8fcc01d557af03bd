"""RTMDet-Ins with a NASViT subnet on COCO: the short name of the config below, which says more.

MACs at 640 x 640:  backbone 3.30 G, neck 0.40 G, head 3.12 G, total 6.82 G.

    tools/dist_train.sh configs/det/nasvit_rtmdet_coco_mask.py 8
"""

_base_ = './rtmdet-ins-w64_nasvit-like-421m_8xb32-300e_coco.py'
