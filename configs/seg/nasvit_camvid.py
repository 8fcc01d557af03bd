"""NASViT on CamVid from scratch: the short name of the config below, which says more.

MACs at 352 x 352:  backbone 0.67 G, head 0.54 G, total 1.21 G.

    python tools/train.py configs/seg/nasvit_camvid.py
"""

_base_ = './nasvit-min_segformer-head_1xb4-2k_camvid-352x352.py'
