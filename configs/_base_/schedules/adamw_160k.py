"""AdamW, 160,000 iterations, warm-up and polynomial decay, for a pretrained backbone.

The schedulers name no `end`: mmengine takes `train_cfg.max_iters`, so this one value is the length.
"""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={'scale_': dict(decay_mult=0.0), 'decode_head': dict(lr_mult=10.0)},
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', eta_min=0.0, power=1.0, begin=1500, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=160000, val_interval=16000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# Where the batch is not 8 GPUs times 2 images, --auto-scale-lr scales the learning rate.
auto_scale_lr = dict(enable=False, base_batch_size=16)
