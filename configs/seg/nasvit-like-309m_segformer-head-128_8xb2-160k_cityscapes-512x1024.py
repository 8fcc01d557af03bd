"""NASViT subnet on Cityscapes, under 5 GMACs with its head.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); there 73.2 mIoU with 5 GFLOPs
(multiply-adds), by a head that is not public, on weights that are not public as such.  This is
mmseg's SegFormer head on strides 8 to 64 (see nasvit_ade20k.py): 0.62 G with 128 channels, 1.33 G
with 192, which would pass 5 G.  Images are read at half size, 512 x 1024, for training and test;
the budget is that of a whole image.  The architecture is a stand-in of this project for the
unpublished A1.

MACs at 512 x 1024:  backbone 4.07 G, head 0.62 G, total 4.69 G; 4.81 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_cityscapes.py --pretrained ckpt_360.pth
"""

_base_ = [
    '../_base_/models/segformer-head.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_160k.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_like_309m', drop_path_rate=0.1),
    decode_head=dict(in_channels=[32, 64, 160, 208], channels=128, num_classes=19),
)
