"""The smallest NASViT subnet on CamVid, from scratch: real images, half an hour on a CPU.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); CamVid is not in it.

MACs at 352 x 352:  backbone 0.67 G, head 0.54 G, total 1.21 G; 4.48 M parameters.
Test mIoU to expect: docs/benchmarks/camvid.md.

    python tools/train.py configs/seg/nasvit_camvid.py      # validates on val
    python tools/test.py configs/seg/nasvit_camvid.py work_dirs/nasvit_camvid/iter_2000.pth   # test

Another length: --cfg-options train_cfg.max_iters=500; the schedule follows.
"""

_base_ = [
    '../_base_/models/segformer-head.py',
    '../_base_/datasets/camvid.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_scratch_2k.py',
]
model = dict(
    data_preprocessor=dict(size=(352, 352)),
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='nasvit_min',
        # As published every block starts as the identity (last norm of an MBConv 0, layer scales
        # 1e-4), which costs a short run from scratch its first hundreds of iterations.
        init_cfg=[
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    decode_head=dict(in_channels=[32, 64, 160, 208], dropout_ratio=0.0, num_classes=11),
)
default_hooks = dict(checkpoint=dict(interval=250))
