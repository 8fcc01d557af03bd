"""Mask R-CNN with a NASViT subnet on COCO: the short name of the config below,
which says more.

MACs at 800 x 1344:  backbone 9.78 G, neck 53.44 G, head 120.44 G, total 183.66 G.

    tools/dist_train.sh configs/det/nasvit_coco_mask.py 8
"""

_base_ = './mask-rcnn_nasvit-like-421m_fpn_8xb2-1x_coco.py'
