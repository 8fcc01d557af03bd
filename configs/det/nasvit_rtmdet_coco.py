"""RTMDet with a NASViT subnet on COCO, within 5 GMACs: the short name of the config below, which
says more.

MACs at 640 x 640:  backbone 3.30 G, neck 0.40 G, head 1.28 G, total 4.99 G.

    tools/dist_train.sh configs/det/nasvit_rtmdet_coco.py 8
"""

_base_ = './rtmdet-w64_nasvit-like-421m_8xb32-300e_coco.py'
