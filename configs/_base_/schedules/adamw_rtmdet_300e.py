"""AdamW, 300 epochs, cosine over the second half: RTMDet's recipe for 256 images a batch.

The learning rate is that of mmdet's RTMDet with transformers (1e-3 for 128 images); with CSPNeXt it
takes 4e-3.
"""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        bypass_duplicate=True,  # the heads of all levels share their convolutions
        custom_keys=dict(scale_=dict(decay_mult=0.0)),  # layer scales of NASViT
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-4,
        begin=150,
        end=300,
        T_max=150,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=300, val_interval=10, dynamic_intervals=[(280, 1)]
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# Where the batch is not 8 GPUs times 32 images, --auto-scale-lr scales the learning rate.
auto_scale_lr = dict(enable=False, base_batch_size=256)
