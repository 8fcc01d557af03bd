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
