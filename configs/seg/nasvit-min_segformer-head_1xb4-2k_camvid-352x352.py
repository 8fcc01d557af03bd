"""The smallest NASViT subnet on CamVid, from scratch: real pictures, minutes on a CPU.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); CamVid is not in it.

MACs at 352 x 352:  backbone 0.59 G, head 0.56 G, total 1.15 G; 2.04 M parameters.  (A whole
picture, 360 x 480: 1.72 G.)
Test mIoU to expect: see the table in README.md; 35.4 with seed 0.

    python tools/train.py configs/seg/nasvit_camvid.py
    python tools/test.py configs/seg/nasvit_camvid.py work_dirs/nasvit_camvid/iter_2000.pth
"""
_base_ = [
    '../_base_/models/segformer-head.py', '../_base_/datasets/camvid.py',
    '../_base_/default_runtime.py', '../_base_/schedules/adamw_scratch_2k.py'
]
model = dict(
    data_preprocessor=dict(size=(352, 352)),
    backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_min'),
    decode_head=dict(in_channels=[24, 32, 64, 160], num_classes=11))
