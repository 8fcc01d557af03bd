"""ElasticViT's supernet on CIFAR-10: 32 pixels, minutes on a CPU.

The same config as elasticvit_in1k_supernet.py, restricted to one small resolution and the two
smallest depths of each stage, with levels for it and without teachers.
data/cifar10/{train,val}/<class>/*.jpg

    python tools/train.py configs/supernet/elasticvit_cifar10.py
"""

_base_ = './elasticvit_in1k_supernet.py'
num_classes = 10
# The paper's smallest networks of the levels up to 400 M and above, at 32 pixels.
smallest_400 = dict(
    space='elasticvit',
    resolution=32,
    width=[16, 24, 32, 48, 96, 176, 224],
    depth=[1, 3, 3, 2, 2, 2, 2],
    expand_ratio=[3, 3],
    kernel_size=[3, 3, 3],
    mlp_ratio=[2, 3, 2, 2],
    v_scale=[2, 2, 2, 2],
)
smallest_800 = dict(smallest_400, width=[16, 24, 32, 64, 96, 192, 256], mlp_ratio=[2, 2, 2, 2])
model = dict(
    model=dict(
        space=dict(
            restrict=dict(
                resolution=[32], depth=[[1, 2], [2, 3], [2, 3], [1, 2], [1, 2], [1, 2], [1, 2]]
            )
        ),
        num_classes=num_classes,
        data_preprocessor=dict(mixup=dict(num_classes=num_classes)),
    ),
    sampler=dict(
        levels=[8e6, 11e6, 14e6, 17e6, 20e6, 24e6],
        tolerance=1e6,
        count_args=dict(),
        capacity=30,
        exploit_every=1,  # for two epochs instead of six hundred
        smallest={int(11e6): 'smallest', int(17e6): smallest_400, int(24e6): smallest_800},
    ),
    distill=dict(sampled='labels'),
    teachers=None,
)
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
