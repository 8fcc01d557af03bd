"""SegFormer-B0 on CamVid, for context: twice to three times the MACs of the others.

mmseg's backbone and head as in its own configs; the same data and schedule, the
learning rate is 6e-4, that of its own configs times ten.

MACs at 352 x 352:  backbone 1.25 G, head 2.17 G, total 3.43 G.

    python tools/train.py benchmarks/camvid/segformer_b0.py
"""

_base_ = ['../../configs/seg/nasvit_camvid.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='MixVisionTransformer',
        in_channels=3,
        embed_dims=32,
        num_stages=4,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
        patch_sizes=[7, 3, 3, 3],
        sr_ratios=[8, 4, 2, 1],
        out_indices=(0, 1, 2, 3),
        mlp_ratio=4,
        qkv_bias=True,
        drop_path_rate=0.1,
    ),
    decode_head=dict(in_channels=[32, 64, 160, 256], channels=256),
)
optim_wrapper = dict(optimizer=dict(lr=6e-4))
