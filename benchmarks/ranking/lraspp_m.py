"""LR-ASPP MobileNetV3-large, wider, with the supernets' teacher, at the MACs of the larger budget.

MACs at 180 x 240, by mmengine's counter:  backbone 590 M, head 32 M, total 622 M.

    python tools/train.py benchmarks/ranking/lraspp_m.py
"""

_base_ = './lraspp_s.py'
model = dict(backbone=dict(width_mult=1.35), decode_head=dict(in_channels=(56, 1296)))
