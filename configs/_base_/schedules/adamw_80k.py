"""AdamW, 80,000 iterations, polynomial decay: Twins' recipe for Semantic FPN.

The scheduler names no `end`: mmengine takes `train_cfg.max_iters`, so this one value is the length.
"""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-4),
)
param_scheduler = [dict(type='PolyLR', eta_min=1e-6, power=0.9, begin=0, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000, val_interval=8000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# Where the batch is not 8 GPUs times 4 images, --auto-scale-lr scales the learning rate.
auto_scale_lr = dict(enable=False, base_batch_size=32)
