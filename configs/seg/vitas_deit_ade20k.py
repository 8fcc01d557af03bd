"""DeiT-like ViTAS-C on ADE20K: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 9.83 G, head 1.31 G, total 11.15 G.

    python tools/train.py configs/seg/vitas_deit_ade20k.py
"""

_base_ = './vitas-deit-c_segformer-head_8xb2-160k_ade20k-512x512.py'
