"""NASViT's supernet inside a segmentor on CamVid whose input size, taps and head are elastic too.

nasvit_camvid_supernet.py with 36 more choices for every backbone: it computes at 50, 75 or 100 % of
the image (180 x 240 to 360 x 480), its taps have 32 or 64 channels, the head 32, 64 or 128, and
takes all four maps or the three coarsest.  The largest subnet of a step is the largest in them too,
and the smallest the smallest.

    python tools/train.py configs/supernet/nasvit_camvid_whole.py

It begins with the supernet of nasvit_tiny-imagenet20.py; without, from scratch: --cfg-options
model.model.backbone.init_cfg=None.
"""

_base_ = './nasvit_camvid_supernet.py'
task = dict(scale=[50, 75, 100], taps=[32, 64], head=[32, 64, 128], outputs=[3, 4])
model = dict(
    model=dict(
        backbone=dict(space=dict(task=task)),  # out_width=64 is the largest of the taps
        decode_head=dict(channels=128),  # the largest of the head
    )
)
