"""A middle-sized NASViT on CamVid: the short name of the config below, which says more.

MACs at 352 x 352:  backbone 1.06 G, head 0.54 G, total 1.60 G.

    python tools/train.py configs/seg/nasvit_camvid_mid.py
"""

_base_ = './nasvit-like-421m_segformer-head_1xb4-2k_camvid-352x352.py'
