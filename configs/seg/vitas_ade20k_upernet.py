"""Twins pyramid with UperNet on ADE20K: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 16.66 G, head 210.58 G, total 227.24 G.

    python tools/train.py configs/seg/vitas_ade20k_upernet.py
"""

_base_ = './twins-svt-s_upernet_8xb2-160k_ade20k-512x512.py'
