"""RetinaNet with Twins-SVT-S on COCO: the short name of the config below, which says more.

MACs at 800 x 1344:  backbone 88.64 G, neck 14.34 G, head 144.71 G, total 247.69 G.

    tools/dist_train.sh configs/det/vitas_coco.py 8
"""

_base_ = './retinanet_twins-svt-s_fpn_8xb2-1x_coco.py'
