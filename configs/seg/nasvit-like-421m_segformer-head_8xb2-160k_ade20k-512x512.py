"""NASViT subnet on ADE20K, under 5 GMACs with its head.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); there 37.9 mIoU with 5 GFLOPs
(multiply-adds), by a head that is not public, on weights that are not public as such.  This is
mmseg's own SegFormer head instead, the strongest all-level one measured within the budget: at 128
channels 1.49 G; mmseg's FPN + FPNHead takes 2.15 G with 64 channels and 8.19 G with 128; its
LRASPPHead pools 49 x 49 positions and cannot run on maps this small.  The architecture is a
stand-in of this project for the unpublished A2.

MACs at 512 x 512:  backbone 2.49 G, head 1.49 G, total 3.98 G; 3.04 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_ade20k.py \
        --cfg-options model.backbone.init_cfg.type=Pretrained \
        model.backbone.init_cfg.checkpoint=WEIGHTS_OF_THIS_SUBNET.pth

Without weights leave --cfg-options out; nobody reaches a good mIoU on ADE20K from scratch.
"""
_base_ = [
    '../_base_/models/segformer-head.py', '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py', '../_base_/schedules/adamw_160k.py'
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_like_421m', drop_path_rate=0.1),
    decode_head=dict(in_channels=[32, 32, 64, 160], num_classes=150))
