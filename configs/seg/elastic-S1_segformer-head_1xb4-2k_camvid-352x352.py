"""ElasticViT-S1 on CamVid, from scratch: real images, half an hour on a CPU.

Paper: ElasticViT, ICCV 2023 (arxiv.org/abs/2303.09730); CamVid is not in it.

MACs at 352 x 352:  backbone 0.72 G, head 0.55 G, total 1.27 G; 5.60 M parameters.
Test mIoU to expect: docs/benchmarks/camvid.md.

    python tools/train.py configs/seg/elasticvit_camvid.py      # validates on val
    python tools/test.py configs/seg/elasticvit_camvid.py work_dirs/elasticvit_camvid/iter_2000.pth
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
        type='nasvit_mm.ElasticViT',
        arch='elastic_S1',
        # As published the IB blocks of stride 1 start as the identity: too slow for a short run.
        init_cfg=dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
    ),
    decode_head=dict(in_channels=[40, 96, 192, 272], dropout_ratio=0.0, num_classes=11),
)
default_hooks = dict(checkpoint=dict(interval=250))
