"""DeepLabV3+'s depthwise separable head of 112 channels on CamVid, from scratch: a row of run.py.

The outputs at strides 32 and 8, and no further stage; dilations of 1, 2 and 3 for maps this small.

MACs at 512 x 512:  backbone 1.55 G, head 0.27 G, total 1.82 G.

    python tools/train.py benchmarks/heads/aspp.py
"""

_base_ = './_camvid_small.py'
model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_index=2,
        in_channels=160,
        channels=112,
        dilations=(1, 2, 3),
        c1_in_channels=32,
        c1_channels=32,
    ),
)
