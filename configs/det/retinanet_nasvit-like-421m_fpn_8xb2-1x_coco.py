"""RetinaNet with a NASViT subnet on COCO, 1x.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L), which has no detection; the recipe is
Twins'. The architecture is a stand-in of this project for the unpublished A2. The pyramid takes the
outputs at strides 8 to 64; the last, whose weights are pretrained, is what other backbones lack.

MACs at 800 x 1344:  backbone 10.54 G, neck 13.47 G, head 144.71 G, total 168.72 G.
mAP to expect: not measured.

    tools/dist_train.sh configs/det/nasvit_coco.py 8 --pretrained ckpt_360.pth
"""

_base_ = [
    '../_base_/models/retinanet.py',
    '../_base_/datasets/coco.py',
    '../_base_/detection_runtime.py',
    '../_base_/schedules/adamw_1x.py',
]
model = dict(
    backbone=dict(
        type='nasvit_mm.NASViT',
        arch='nasvit_like_421m',
        out_indices=(1, 2, 3, 4),
        norm_cfg=dict(type='SyncBN', requires_grad=True),  # of 2 images a GPU, too few alone
        drop_path_rate=0.1,
    ),
    neck=dict(in_channels=[32, 64, 160, 208]),
)
