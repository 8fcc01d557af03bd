"""The largest NASViT subnet on ADE20K with a head from stride 4: for accuracy, not a budget.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); a segmentation result of the largest
subnet is not in it.  mmseg's SegFormer head on strides 4 to 64 with 256 channels, the width of
SegFormer-B0's.  For comparison, SegFormer-B0 takes 8.39 G at this size.

MACs at 512 x 512:  backbone 6.73 G, head 6.21 G, total 12.94 G; 12.67 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_ade20k_large.py --pretrained ckpt_360.pth
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
        type='nasvit_mm.NASViT', arch='nasvit_max', out_indices=(0, 1, 2, 3, 4), drop_path_rate=0.2
    ),
    decode_head=dict(in_channels=[32, 40, 72, 184, 224], in_index=[0, 1, 2, 3, 4], num_classes=150),
)
