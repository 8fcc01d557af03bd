"""RTMDet with ElasticViT-T2 on COCO, within 2.5 GMACs: the short name of the config below, which
says more.

MACs at 640 x 640:  backbone 1.56 G, neck 0.25 G, head 0.68 G, total 2.49 G.

    tools/dist_train.sh configs/det/elasticvit_rtmdet_coco.py 8
"""

_base_ = './rtmdet-w128-dw_elastic-T2_8xb32-300e_coco.py'
