"""The largest NASViT subnet on Cityscapes with a head from stride 4: for accuracy, not a budget.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); a segmentation result of the largest
subnet is not in it.  mmseg's SegFormer head on strides 4 to 64 with 256 channels, the width of
SegFormer-B0's.  For comparison, SegFormer-B0 takes 17.76 G at this
size.  Images at half size, as in nasvit_cityscapes.py.

MACs at 512 x 1024:  backbone 13.57 G, head 11.32 G, total 24.88 G; 12.63 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_cityscapes_large.py --pretrained ckpt_360.pth
"""

_base_ = [
    '../_base_/models/segformer-head.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_160k.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(
        type='nasvit_mm.NASViT', arch='nasvit_max', out_indices=(0, 1, 2, 3, 4), drop_path_rate=0.2
    ),
    decode_head=dict(in_channels=[32, 40, 72, 184, 224], in_index=[0, 1, 2, 3, 4], num_classes=19),
)
