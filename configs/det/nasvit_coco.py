"""RetinaNet with a NASViT subnet on COCO: the short name of the config below, which says
more.

MACs at 800 x 1344:  backbone 10.54 G, neck 13.47 G, head 144.71 G, total 168.72 G.

    tools/dist_train.sh configs/det/nasvit_coco.py 8
"""

_base_ = './retinanet_nasvit-like-421m_fpn_8xb2-1x_coco.py'
