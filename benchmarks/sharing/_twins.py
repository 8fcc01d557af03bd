"""ViTAS's Twins space in a segmentor on CamVid: what every run of this folder shares.

Data, schedule and head are those of ../ranking.  The space has ten of its 26 slots, none of them
an identity, and medium widths: networks of about the MACs of ../ranking, over a 4x range.  The
learning rate is that of configs/seg/vitas_camvid.py.
"""

_base_ = '../ranking/_camvid.py'
stages = range(4)
slots = [2, 2, 18, 4]  # of each stage
used = [2, 2, 4, 2]
names = [f'stage{i}.{k}' for i in stages for k in range(slots[i])]
heads = {f'stage{i}.{k}': [2**i * n for n in (2, 3, 4)] for i in stages for k in range(used[i])}
space = dict(
    space='vitas_twins',
    restrict=dict(
        resolution=[224],
        width=[[2**i * 8 * n for n in range(3, 7)] for i in stages],
        heads={**dict.fromkeys(names, 0), **heads},
        head_dim=[[16, 32] for _ in names],
        mlp_width=[[2**i * 64 * n for n in range(2, 4)] for i in stages for _ in range(slots[i])],
    ),
)
model = dict(
    backbone=dict(
        type='nasvit_mm.TwinsViTAS',
        arch='supernet',
        space=space,
        out_indices=(1, 2, 3),
        out_width=64,
        drop_path_rate=0.0,
    ),
    decode_head=dict(in_channels=[64, 64, 64], in_index=[0, 1, 2], channels=64),
)
optim_wrapper = dict(optimizer=dict(lr=6e-4))
