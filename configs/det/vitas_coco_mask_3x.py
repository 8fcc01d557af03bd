"""Mask R-CNN with Twins-SVT-S on COCO, 3x: the short name of the config below, which says more.

MACs at 800 x 1344:  backbone 88.64 G, neck 54.71 G, head 120.44 G, total 263.78 G.

    tools/dist_train.sh configs/det/vitas_coco_mask_3x.py 8 --amp
"""

_base_ = './mask-rcnn_twins-svt-s_fpn_8xb2-ms-3x_coco.py'
