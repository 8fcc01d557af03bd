"""Mask R-CNN with ElasticViT-L2 on COCO: the short name of the config below,
which says more.

MACs at 800 x 1344:  backbone 9.62 G, neck 53.43 G, head 120.44 G, total 183.49 G.

    tools/dist_train.sh configs/det/elasticvit_coco_mask.py 8
"""

_base_ = './mask-rcnn_elastic-L2_fpn_8xb2-1x_coco.py'
