"""A small Twins pyramid of the ViTAS space on CamVid, from scratch: real images on a CPU.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700); CamVid is not in it.  `twins_mini` is a stand-in
of this project, 1.14 GMACs at 224 x 224.  The learning rate is that of SegFormer-B0 in the same
table, the other transformer with layer norms.

MACs at 352 x 352:  backbone 2.97 G, head 0.47 G, total 3.44 G; 8.01 M parameters.
Test mIoU to expect: docs/benchmarks/camvid.md.

    python tools/train.py configs/seg/vitas_camvid.py      # validates on val
    python tools/test.py configs/seg/vitas_camvid.py work_dirs/vitas_camvid/iter_2000.pth
"""

_base_ = [
    '../_base_/models/segformer-head.py',
    '../_base_/datasets/camvid.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_scratch_2k.py',
]
model = dict(
    data_preprocessor=dict(size=(352, 352)),
    backbone=dict(type='nasvit_mm.TwinsViTAS', arch='twins_mini', out_indices=(1, 2, 3)),
    decode_head=dict(
        in_channels=[96, 192, 384], in_index=[0, 1, 2], dropout_ratio=0.0, num_classes=11
    ),
)
optim_wrapper = dict(optimizer=dict(lr=6e-4))
default_hooks = dict(checkpoint=dict(interval=250))
