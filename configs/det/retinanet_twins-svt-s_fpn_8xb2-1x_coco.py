"""RetinaNet with Twins-SVT-S, a member of ViTAS's Twins-like space on COCO, 1x.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700); the recipe is Twins' (FPN, AdamW). The paper
names 45.9 mAP for a searched net, by which detector and schedule is not public; of this member
nothing is measured here.

MACs at 800 x 1344:  backbone 88.64 G, neck 14.34 G, head 144.71 G, total 247.69 G.
mAP to expect: not measured.

    tools/dist_train.sh configs/det/vitas_coco.py 8 --pretrained twins_svt_small
"""

_base_ = [
    '../_base_/models/retinanet.py',
    '../_base_/datasets/coco.py',
    '../_base_/detection_runtime.py',
    '../_base_/schedules/adamw_1x.py',
]
model = dict(
    backbone=dict(
        type='nasvit_mm.TwinsViTAS',
        arch='twins_svt_small',
        out_indices=(1, 2, 3),
        stage_norm=True,
        drop_path_rate=0.2,
    ),
    neck=dict(in_channels=[128, 256, 512]),
)
