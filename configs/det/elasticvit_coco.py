"""RetinaNet with ElasticViT-L2 on COCO: the short name of the config below, which says
more.

MACs at 800 x 1344:  backbone 11.12 G, neck 13.62 G, head 144.71 G, total 169.45 G.

    tools/dist_train.sh configs/det/elasticvit_coco.py 8
"""

_base_ = './retinanet_elastic-L2_fpn_8xb2-1x_coco.py'
