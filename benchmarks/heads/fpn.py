"""Semantic FPN of 48 channels on CamVid, from scratch: a row of run.py.

Pyramid and head.

MACs at 512 x 512:  backbone 1.71 G, neck 0.12 G, head 0.16 G, total 1.99 G.

    python tools/train.py benchmarks/heads/fpn.py
"""

_base_ = './_camvid_small.py'
model = dict(
    neck=dict(type='FPN', in_channels=[32, 64, 160, 208], out_channels=48, num_outs=4),
    decode_head=dict(
        type='FPNHead', feature_strides=[8, 16, 32, 64], in_channels=[48] * 4, channels=48
    ),
)
