"""NASViT's supernet on patches of the built-in demo data, small enough for a CPU.

configs/supernet/nasvit_cifar10.py over 12 drawn classes at 48 pixels; the rest is NASViT's.

    python tools/demo_data.py --layout imagenet
    python tools/train.py configs/demo/nasvit_supernet.py
"""

_base_ = '../supernet/nasvit_cifar10.py'
data_root = 'data/demo/patches'
num_classes = 12
model = dict(
    model=dict(
        space=dict(restrict=dict(_delete_=True, resolution=[48])),
        num_classes=num_classes,
        data_preprocessor=dict(mixup=dict(num_classes=num_classes)),
    )
)
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, transform=dict(input_size=48)),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, transform=dict(input_size=48)),
)
test_dataloader = val_dataloader
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=5e-6, by_epoch=False, begin=20),
]
train_cfg = dict(max_iters=80, val_interval=80)
val_cfg = dict(num_random=0, num_calibration=8)
test_cfg = val_cfg
default_hooks = dict(checkpoint=dict(interval=20))
