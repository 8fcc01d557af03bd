"""AdamW, 12 epochs, steps after 8 and 11: 1x, Twins' recipe for 16 images a batch."""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-4),
    # Layer scales of NASViT and position biases are no weights to decay.
    paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys=dict(scale_=dict(decay_mult=0.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1, by_epoch=True, begin=0, end=12),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# Where the batch is not 8 GPUs times 2 images, --auto-scale-lr scales the learning rate.
auto_scale_lr = dict(enable=False, base_batch_size=16)
