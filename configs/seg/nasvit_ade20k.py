"""NASViT on ADE20K within 5 GMACs: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 2.64 G, head 1.30 G, total 3.94 G.

    python tools/train.py configs/seg/nasvit_ade20k.py
"""

_base_ = './nasvit-like-421m_segformer-head_8xb2-160k_ade20k-512x512.py'
