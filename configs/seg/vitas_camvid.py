"""A small Twins pyramid of the ViTAS space on CamVid: the short name of the config below.

MACs at 352 x 352:  backbone 2.97 G, head 0.47 G, total 3.44 G.

    python tools/train.py configs/seg/vitas_camvid.py
"""

_base_ = './twins-mini_segformer-head_1xb4-2k_camvid-352x352.py'
