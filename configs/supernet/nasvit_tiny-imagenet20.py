"""NASViT's supernet on 20 classes of Tiny-ImageNet: real images, small enough for a CPU.

The same config as nasvit_in1k_supernet.py with images of 64 pixels and resolutions of 48 and 64,
without teachers.  50 of each class's 500 training images are held out, for a search to choose by.
data/tiny_imagenet20/{train,val}/<class>/*.JPEG

    python tools/train.py configs/supernet/nasvit_tiny-imagenet20.py
"""

_base_ = './nasvit_in1k_supernet.py'
num_classes = 20
model = dict(
    model=dict(
        space=dict(restrict=dict(resolution=[48, 64])),
        num_classes=num_classes,
        resize=True,
        data_preprocessor=dict(mixup=dict(num_classes=num_classes)),
    ),
    distill=dict(largest='labels'),
    conflict=dict(start_epoch=0),
    teachers=None,
    log_cosine=10,
)  # as often as the log has a line
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    dataset=dict(
        data_root='data/tiny_imagenet20', num_per_class=-50, transform=dict(input_size=64)
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(data_root='data/tiny_imagenet20', transform=dict(input_size=64, crop_pct=1.0)),
)
test_dataloader = val_dataloader
held_out_dataloader = dict(
    batch_size=250,
    num_workers=1,
    dataset=dict(
        data_root='data/tiny_imagenet20',
        num_per_class=50,
        transform=dict(input_size=64, crop_pct=1.0),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=5e-6, by_epoch=False, begin=20),
]
train_cfg = dict(max_iters=1000, val_interval=500)
val_cfg = dict(num_calibration=8)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
