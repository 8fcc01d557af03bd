"""ElasticViT-L2 on ADE20K, under 5 GMACs with its head.

Paper: ElasticViT, ICCV 2023 (arxiv.org/abs/2303.09730); it has no segmentation.  The head is that
of nasvit_ade20k.py, where the choice is explained.  Position tables are for grids of up to 256
pixels; beyond, attention runs in windows (attention='auto').

MACs at 512 x 512:  backbone 2.79 G, head 1.33 G, total 4.12 G; 9.22 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/elasticvit_ade20k.py --pretrained checkpoint.pth
"""

_base_ = [
    '../_base_/models/segformer-head.py',
    '../_base_/datasets/ade20k.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_160k.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(type='nasvit_mm.ElasticViT', arch='elastic_L2', drop_path_rate=0.1),
    decode_head=dict(in_channels=[40, 128, 256, 304], num_classes=150),
)
