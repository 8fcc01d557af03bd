"""The largest NASViT subnet on Cityscapes: the short name of the config below, which says more.

MACs at 512 x 1024:  backbone 12.75 G, head 9.16 G, total 21.91 G.

    python tools/train.py configs/seg/nasvit_cityscapes_large.py
"""
_base_ = './nasvit-max_segformer-head-256_8xb2-160k_cityscapes-512x1024.py'
