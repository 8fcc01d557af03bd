"""NASViT on ADE20K, 5 GMACs: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 3.65 G, head 1.31 G, total 4.96 G.

    python tools/train.py configs/seg/nasvit_ade20k_5g.py
"""

_base_ = './nasvit-nnmeter-540m_segformer-head_8xb2-160k_ade20k-512x512.py'
