"""The supernet of the Twins-like ViTAS space on CIFAR-10: 32 pixels, minutes on a CPU.

The same config as vitas_twins_in1k.py, restricted to one small resolution, to medium widths and to
ten of the 26 slots: single paths through all of it learn nothing in so few steps.
data/cifar10/{train,val}/<class>/*.jpg

    python tools/train.py configs/supernet/vitas_twins_cifar10.py
"""

_base_ = './vitas_twins_in1k.py'
num_classes = 10
stages = range(4)
slots = [0] * 2 + [1] * 2 + [2] * 18 + [3] * 4  # their stages
model = dict(
    model=dict(
        space=dict(
            restrict=dict(
                resolution=[32],
                width=[[2**i * 8 * k for k in range(4, 9)] for i in stages],
                heads={**{f'stage2.{i}': 0 for i in range(4, 18)}, 'stage3.2': 0, 'stage3.3': 0},
                head_dim=[[16, 32] for _ in slots],
                mlp_width=[[2**i * 64 * k for k in range(1, 5)] for i in slots],
            )
        ),
        num_classes=num_classes,
    ),
    clip_grad=1.0,
)
dataset = dict(
    data_root='data/cifar10', num_per_class=None, transform=dict(input_size=32, scale=(0.5, 1.0))
)
train_dataloader = dict(batch_size=64, num_workers=1, dataset=dataset)
val_dataloader = dict(
    batch_size=250,
    num_workers=1,
    dataset=dict(data_root='data/cifar10', transform=dict(input_size=32, crop_pct=1.0)),
)
test_dataloader = val_dataloader
held_out_dataloader, held_out_evaluator = None, None
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=5e-6, by_epoch=False, begin=50),
]
train_cfg = dict(max_iters=800, val_interval=400)
val_cfg = dict(subnets=['smallest', 'largest'], num_random=8, num_calibration=16)
test_cfg = val_cfg
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=200))
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
