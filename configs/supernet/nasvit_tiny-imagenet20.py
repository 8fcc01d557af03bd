"""NASViT's supernet on 20 classes of Tiny-ImageNet: real pictures, minutes on a CPU.

The same config as nasvit_in1k.py with pictures and resolutions of 64 pixels, without teachers.
data/tiny_imagenet20/{train,val}/<class>/*.JPEG

    python tools/train.py configs/supernet/nasvit_tiny-imagenet20.py
"""
_base_ = './nasvit_in1k.py'
num_classes = 20
model = dict(
    model=dict(
        space=dict(restrict=dict(resolution=[48, 64])),
        num_classes=num_classes,
        resize=True,
        data_preprocessor=dict(mixup=dict(num_classes=num_classes))),
    distill=dict(largest='labels'),
    conflict=dict(start_epoch=0),
    teachers=None)
train_dataloader = dict(
    batch_size=64, num_workers=1,
    dataset=dict(data_root='data/tiny_imagenet20', transform=dict(input_size=64)))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        data_root='data/tiny_imagenet20', transform=dict(input_size=64, crop_pct=1.0)))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=5e-6, by_epoch=False, begin=20),
]
train_cfg = dict(max_iters=600, val_interval=200)
val_cfg = dict(num_calibration=8)
default_hooks = dict(
    logger=dict(interval=10), checkpoint=dict(interval=200))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
