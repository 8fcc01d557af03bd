"""AdamW, 36 epochs, steps after 27 and 33: 3x, what Twins calls the Swin setting."""

_base_ = 'adamw_1x.py'
# The convolutions that say where a token is are no more decayed than norms are.
optim_wrapper = dict(
    optimizer=dict(weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(pegs=dict(decay_mult=0.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', milestones=[27, 33], gamma=0.1, by_epoch=True, begin=0, end=36),
]
train_cfg = dict(max_epochs=36)
