"""The largest NASViT subnet on Cityscapes with a wide head: for accuracy, not for a budget.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); a segmentation result of the largest
subnet is not in it.  mmseg's SegFormer head at the 256 channels of SegFormer-B0, which itself takes
17.8 G at this size.  Pictures at half size, as in nasvit_cityscapes.py.

MACs at 512 x 1024:  backbone 12.75 G, head 9.16 G, total 21.91 G; 7.63 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_cityscapes_large.py \
        --cfg-options model.backbone.init_cfg.type=Pretrained \
        model.backbone.init_cfg.checkpoint=WEIGHTS_OF_THIS_SUBNET.pth
"""
_base_ = [
    '../_base_/models/segformer-head.py', '../_base_/datasets/cityscapes.py',
    '../_base_/default_runtime.py', '../_base_/schedules/adamw_160k.py'
]
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_max', drop_path_rate=0.2),
    decode_head=dict(in_channels=[32, 40, 72, 184], channels=256, num_classes=19))
