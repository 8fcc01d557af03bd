"""The largest NASViT subnet on ADE20K: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 6.37 G, head 5.13 G, total 11.51 G.

    python tools/train.py configs/seg/nasvit_ade20k_large.py
"""
_base_ = './nasvit-max_segformer-head-256_8xb2-160k_ade20k-512x512.py'
