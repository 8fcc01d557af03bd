"""Twins pyramid of the ViTAS space on Cityscapes: the short name of the config below.

MACs at 512 x 1024:  backbone 36.51 G, neck 26.68 G, head 15.63 G, total 78.81 G.

    python tools/train.py configs/seg/vitas_cityscapes.py
"""

_base_ = './twins-svt-s_semantic-fpn_8xb4-80k_cityscapes-512x1024.py'
