_base_ = './_camvid_small.py'
model = dict(
    neck=dict(type='FPN', in_channels=[32, 64, 160, 208], out_channels=48, num_outs=4),
    decode_head=dict(
        type='FPNHead', feature_strides=[8, 16, 32, 64], in_channels=[48] * 4, channels=48
    ),
)
