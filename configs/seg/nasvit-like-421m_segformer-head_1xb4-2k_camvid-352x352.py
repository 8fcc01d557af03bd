"""A NASViT subnet of middle size on CamVid, from scratch, as nasvit_camvid.py.

MACs at 352 x 352:  backbone 1.06 G, head 0.54 G, total 1.60 G; 5.47 M parameters.
Test mIoU to expect: docs/benchmarks/camvid.md.

    python tools/train.py configs/seg/nasvit_camvid_mid.py
"""

_base_ = './nasvit-min_segformer-head_1xb4-2k_camvid-352x352.py'
model = dict(backbone=dict(arch='nasvit_like_421m'))
