"""Twins pyramid of the ViTAS space on ADE20K: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 16.66 G, neck 13.34 G, head 8.09 G, total 38.08 G.

    python tools/train.py configs/seg/vitas_ade20k.py
"""

_base_ = './twins-svt-s_semantic-fpn_8xb4-80k_ade20k-512x512.py'
