"""The largest NASViT subnet on Cityscapes: the short name of the config below, which says more.

MACs at 512 x 1024:  backbone 13.57 G, head 11.32 G, total 24.88 G.

    python tools/train.py configs/seg/nasvit_cityscapes_large.py
"""

_base_ = './nasvit-max_segformer-head-s4_8xb2-160k_cityscapes-512x1024.py'
