"""The largest NASViT subnet on ADE20K with a wide head: for accuracy, not for a budget.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); a segmentation result of the largest
subnet is not in it.  mmseg's SegFormer head at the 256 channels of SegFormer-B0: in all 1.4 times
the multiply-adds of SegFormer-B0 (8.39 G).  LightHamHead would take 1.57 G, but starts every
prediction from random bases, so that no result repeats; UPerHead takes 13.4 G with 128 channels.

MACs at 512 x 512:  backbone 6.37 G, head 5.13 G, total 11.51 G; 7.66 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_ade20k_large.py \
        --cfg-options model.backbone.init_cfg.type=Pretrained \
        model.backbone.init_cfg.checkpoint=WEIGHTS_OF_THIS_SUBNET.pth
"""
_base_ = [
    '../_base_/models/segformer-head.py', '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py', '../_base_/schedules/adamw_160k.py'
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_max', drop_path_rate=0.2),
    decode_head=dict(in_channels=[32, 40, 72, 184], channels=256, num_classes=150))
