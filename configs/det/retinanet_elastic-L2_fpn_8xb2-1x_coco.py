"""RetinaNet with ElasticViT-L2 on COCO, 1x.

Paper: ElasticViT, ICCV 2023 (arxiv.org/abs/2303.09730), which has no detection; the recipe is
Twins'. The pyramid takes the outputs at strides 8 to 64; the last, whose weights are pretrained, is
what other backbones lack.

MACs at 800 x 1344:  backbone 11.12 G, neck 13.62 G, head 144.71 G, total 169.45 G.
mAP to expect: not measured.

    tools/dist_train.sh configs/det/elasticvit_coco.py 8 --pretrained checkpoint.pth
"""

_base_ = [
    '../_base_/models/retinanet.py',
    '../_base_/datasets/coco.py',
    '../_base_/detection_runtime.py',
    '../_base_/schedules/adamw_1x.py',
]
model = dict(
    backbone=dict(
        type='nasvit_mm.ElasticViT',
        arch='elastic_L2',
        out_indices=(1, 2, 3, 4),
        norm_cfg=dict(type='SyncBN', requires_grad=True),  # of 2 images a GPU, too few alone
        drop_path_rate=0.1,
    ),
    neck=dict(in_channels=[40, 128, 256, 304]),
)
