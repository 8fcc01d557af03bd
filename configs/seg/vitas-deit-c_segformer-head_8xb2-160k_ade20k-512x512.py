"""DeiT-like ViTAS-C on ADE20K: a plain transformer with a synthesised pyramid.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700); a dense result of its DeiT-like nets is not in
it.  The released ViTAS-C (1.3 G on ImageNet, 74.7 top-1): 12 blocks of 230 channels at
patch 16; outputs at strides 8, 16 and 32 after blocks 4, 8 and 12, ended in 256 channels by the
backbone, under mmseg's SegFormer head.  Attention is global, 1,025 tokens at this size.

MACs at 512 x 512:  backbone 9.83 G, head 1.31 G, total 11.15 G; 6.43 M parameters.
mIoU to expect: not measured here.

    python tools/train.py configs/seg/vitas_deit_ade20k.py --pretrained epoch_299_ckpt.pth.tar
"""

_base_ = [
    '../_base_/models/segformer-head.py',
    '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_160k.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        type='nasvit_mm.ViTAS',
        arch='vitas_c',
        out_indices=(1, 2, 3),
        out_width=256,
        drop_path_rate=0.1,
    ),
    decode_head=dict(in_channels=[256, 256, 256], in_index=[0, 1, 2], num_classes=150),
)
