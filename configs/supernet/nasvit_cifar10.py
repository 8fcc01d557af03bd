"""NASViT's supernet on CIFAR-10: 32 pixels, minutes on a CPU.

The same config as nasvit_in1k_supernet.py, restricted to one small resolution and the two smallest
depths of each stage, without teachers.
data/cifar10/{train,val}/<class>/*.jpg

    python tools/train.py configs/supernet/nasvit_cifar10.py
"""

_base_ = './nasvit_in1k_supernet.py'
num_classes = 10
model = dict(
    model=dict(
        space=dict(restrict=dict(resolution=[32], depth=[[1, 2]] + [[3, 4]] * 6)),
        num_classes=num_classes,
        data_preprocessor=dict(mixup=dict(num_classes=num_classes)),
    ),
    conflict=dict(start_epoch=0),
    distill=dict(largest='labels'),
    teachers=None,
    log_cosine=20,
)  # as often as the log has a line
dataset = dict(
    data_root='data/cifar10', num_per_class=None, transform=dict(input_size=32, scale=(0.5, 1.0))
)
train_dataloader = dict(batch_size=32, num_workers=1, dataset=dataset)
val_dataloader = dict(
    batch_size=250,
    num_workers=1,
    dataset=dict(data_root='data/cifar10', transform=dict(input_size=32, crop_pct=1.0)),
)
test_dataloader = val_dataloader
held_out_dataloader, held_out_evaluator = None, None
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=5e-6, by_epoch=False, begin=50),
]
train_cfg = dict(max_iters=600, val_interval=300)
val_cfg = dict(subnets=['smallest', 'largest'], num_random=8, num_calibration=16)
test_cfg = val_cfg
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=200))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
