"""DeepLabV3+'s depthwise separable head of 112 channels on CamVid, from scratch: a row of run.py.

Outputs at strides 32 and 8; dilations of 1, 2 and 3 for maps this small.

MACs at 512 x 512:  backbone 1.71 G, head 0.27 G, total 1.97 G.

    python tools/train.py benchmarks/heads/aspp.py
"""

_base_ = './_camvid_small.py'
model = dict(
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_index=2,
        in_channels=160,
        channels=112,
        dilations=(1, 2, 3),
        c1_in_channels=32,
        c1_channels=32,
    )
)
