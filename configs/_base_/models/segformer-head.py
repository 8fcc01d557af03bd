"""The light segmentation model: strides 8 to 64 of a backbone under SegFormer's all-MLP head.

Every level through a 1x1 convolution to `channels`, brought to stride 8, joined, mixed by a 1x1
convolution.  Stride 4 is left out: of equal MACs, 128 channels at strides 4 to 32 learned
slower on CamVid than 224 at strides 8 to 64 (docs/benchmarks/heads.md).  A config on top names the
backbone, its `out_channels` as the head's `in_channels`, and the number of classes.
"""

# SyncBN: batches of two images on a GPU are too small for statistics of their own.  In one
# process it is plain batch norm, on a CPU too.
norm_cfg = dict(type='SyncBN', requires_grad=True)
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(out_indices=(1, 2, 3, 4), norm_cfg=norm_cfg),
    decode_head=dict(
        type='SegformerHead',
        in_index=[0, 1, 2, 3],
        channels=256,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
