"""NASViT on ADE20K within 2 GMACs: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 1.71 G, head 0.23 G, total 1.94 G.

    python tools/train.py configs/seg/nasvit_ade20k_2g.py
"""

_base_ = './nasvit-min_segformer-head-96_8xb2-160k_ade20k-512x512.py'
