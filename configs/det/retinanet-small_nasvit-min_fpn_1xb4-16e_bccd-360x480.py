"""A small RetinaNet with the smallest NASViT subnet on BCCD (blood cells), from scratch on a CPU.

The example of your own data: 205 images in COCO's JSON with three classes.

MACs at 352 x 480:  backbone 0.98 G, neck 0.31 G, head 1.36 G, total 2.65 G.
mAP to expect: 54.0 on test (AP50 87.2; one seed), by benchmarks/bccd/run.py.

    python tools/train.py configs/det/nasvit_bccd.py
    python tools/test.py configs/det/nasvit_bccd.py work_dirs/nasvit_bccd/epoch_16.pth
"""

_base_ = [
    '../_base_/models/retinanet_small.py',
    '../_base_/datasets/bccd.py',
    '../_base_/detection_runtime.py',
    '../_base_/schedules/adamw_scratch_16e.py',
]
model = dict(
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='nasvit_min',
        out_indices=(1, 2, 3, 4),
        init_cfg=[  # from scratch: not as the identity, see configs/seg/nasvit_camvid.py
            dict(type='Constant', layer='ElasticBatchNorm2d', val=1.0),
            dict(type='Constant', layer='ElasticScale', val=4.0),
        ],
    ),
    neck=dict(in_channels=[32, 64, 160, 208]),
    bbox_head=dict(num_classes=3),
)
