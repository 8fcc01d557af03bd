"""ElasticViT-S1 on Cityscapes, under 5 GMACs with its head.

Paper: ElasticViT, ICCV 2023 (arxiv.org/abs/2303.09730); it has no segmentation.  Images are read
at half size, 512 x 1024, for training and test; the budget is that of a whole image.

MACs at 512 x 1024:  backbone 3.25 G, head 1.36 G, total 4.61 G; 5.44 M parameters.
mIoU to expect: not measured.

    python tools/train.py configs/seg/elasticvit_cityscapes.py --pretrained checkpoint.pth
"""

_base_ = [
    '../_base_/models/segformer-head.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/adamw_160k.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(type='nasvit_mm.ElasticViT', arch='elastic_S1', drop_path_rate=0.1),
    decode_head=dict(in_channels=[40, 96, 192, 272], channels=192, num_classes=19),
)
