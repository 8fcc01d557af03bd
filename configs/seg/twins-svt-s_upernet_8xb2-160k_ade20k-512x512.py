"""Twins pyramid of the ViTAS space on ADE20K with UperNet: for accuracy, not a budget.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700); see vitas_ade20k.py.  Twins-SVT-S in Twins' own
recipe, whose README has 46.2 mIoU (47.1 multi-scale) for it, with batches of 8 x 2.

MACs at 512 x 512:  backbone 16.66 G, head 210.58 G, total 227.24 G; 53.23 M parameters.
mIoU to expect: not measured here.

    python tools/train.py configs/seg/vitas_ade20k_upernet.py --pretrained twins_svt_small
"""

_base_ = [
    '../_base_/models/upernet.py',
    '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_160k.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        type='nasvit_mm.TwinsViTAS', arch='twins_svt_small', stage_norm=True, drop_path_rate=0.2
    ),
    decode_head=dict(in_channels=[64, 128, 256, 512], num_classes=150),
    auxiliary_head=dict(in_channels=256, num_classes=150),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(_delete_=True, pegs=dict(decay_mult=0.0))))
