"""The largest NASViT subnet on ADE20K: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 6.73 G, head 6.21 G, total 12.94 G.

    python tools/train.py configs/seg/nasvit_ade20k_large.py
"""

_base_ = './nasvit-max_segformer-head-s4_8xb2-160k_ade20k-512x512.py'
