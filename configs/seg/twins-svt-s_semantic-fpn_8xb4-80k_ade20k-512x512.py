"""Twins pyramid of the ViTAS space on ADE20K with Semantic FPN.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700): searched in a space over Twins; neither its nets
nor the space are public.  This is Twins-SVT-S (arxiv.org/abs/2104.13840), a member of
`vitas_twins` with public weights, in Twins' own recipe: another member is another `arch`.
mmseg's FPN + FPNHead, by that recipe.

MACs at 512 x 512:  backbone 16.66 G, neck 13.34 G, head 8.09 G, total 38.08 G; 27.80 M parameters.
mIoU to expect: not measured here.

    python tools/train.py configs/seg/vitas_ade20k.py --pretrained twins_svt_small
"""

_base_ = [
    '../_base_/models/semantic-fpn.py',
    '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_80k.py',
]
train_dataloader = dict(batch_size=4)
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        type='nasvit_mm.TwinsViTAS', arch='twins_svt_small', stage_norm=True, drop_path_rate=0.2
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
    decode_head=dict(num_classes=150),
)
