"""NASViT on Cityscapes within 5 GMACs: the short name of the config below, which says more.

MACs at 512 x 1024:  backbone 4.07 G, head 0.62 G, total 4.69 G.

    python tools/train.py configs/seg/nasvit_cityscapes.py
"""

_base_ = './nasvit-like-309m_segformer-head-128_8xb2-160k_cityscapes-512x1024.py'
