"""NASViT subnet on ADE20K, 5 GMACs with its head.

As nasvit_ade20k.py (3.94 G), with more of the budget in the backbone: a subnet that nn-Meter's
authors found by a search of their own in NASViT's space.

MACs at 512 x 512:  backbone 3.65 G, head 1.31 G, total 4.96 G.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_ade20k_5g.py --pretrained ckpt_360.pth
"""

_base_ = './nasvit-like-421m_segformer-head_8xb2-160k_ade20k-512x512.py'
model = dict(
    backbone=dict(arch='nnmeter_search_540m'), decode_head=dict(in_channels=[40, 64, 184, 208])
)
