"""A small RetinaNet with the smallest NASViT subnet on BCCD: the short name of the config below.

MACs at 352 x 480:  backbone 0.98 G, neck 0.31 G, head 1.36 G, total 2.65 G.

    python tools/train.py configs/det/nasvit_bccd.py
"""

_base_ = './retinanet-small_nasvit-min_fpn_1xb4-16e_bccd-360x480.py'
