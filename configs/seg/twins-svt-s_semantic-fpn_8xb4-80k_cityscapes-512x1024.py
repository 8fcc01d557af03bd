"""Twins pyramid of the ViTAS space on Cityscapes with Semantic FPN.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700); see vitas_ade20k.py, whose model and recipe
these are; Cityscapes is not in either paper's recipe.  Images at half size, as in
nasvit_cityscapes.py.

MACs at 512 x 1024:  backbone 36.51 G, neck 26.68 G, head 15.63 G, total 78.81 G.
mIoU to expect: not measured here.

    python tools/train.py configs/seg/vitas_cityscapes.py --pretrained twins_svt_small
"""

_base_ = [
    '../_base_/models/semantic-fpn.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_80k.py',
]
train_dataloader = dict(batch_size=4)
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(
        type='nasvit_mm.TwinsViTAS', arch='twins_svt_small', stage_norm=True, drop_path_rate=0.2
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
    decode_head=dict(num_classes=19),
)
