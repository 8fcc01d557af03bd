"""NASViT subnet on ADE20K, under 5 GMACs with its head.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); there 37.9 mIoU with 5 GFLOPs
(multiply-adds), by a head that is not public, on weights that are not public as such.  This is
mmseg's SegFormer head on strides 8 to 64, with 256 channels 1.30 G.  Of mmseg's other heads
LightHamHead would take 1.53 G with 256, but starts every prediction from random bases, so that no
result repeats; FPN + FPNHead take 2.15 G with 64 and 8.19 G with 128, UPerHead 3.47 G with 64;
LRASPPHead pools 49 x 49 positions and cannot run on maps this small.  The architecture is a
stand-in of this project for the unpublished A2.

MACs at 512 x 512:  backbone 2.64 G, head 1.30 G, total 3.94 G; 5.50 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_ade20k.py --pretrained ckpt_360.pth

That is the authors' supernet (docs/weights.md); nobody reaches a good mIoU on ADE20K from scratch.
"""

_base_ = [
    '../_base_/models/segformer-head.py',
    '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_160k.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_like_421m', drop_path_rate=0.1),
    decode_head=dict(in_channels=[32, 64, 160, 208], num_classes=150),
)
