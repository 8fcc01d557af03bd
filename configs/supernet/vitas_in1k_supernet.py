"""The superformer of ViTAS's DeiT-like space on ImageNet-1k.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700); learning rates, batch and augmentation are the
public code's, the cyclic weight sharing and the identity shifting this project's definition of the
paper's (the public code has bilateral sharing: model.model.sharing=bilateral
model.sampler.both_phases=True, at twice the cost).  One path a step, of every depth equally often,
so that the last slots are trained too; the public code draws each slot's identity with a
probability that `nasvit_mm.supernet.find_identity_probability` finds for a window of MACs
(0.49 for 0.9 to 1.0 G): model.sampler.identity=0.49.  300 epochs of 1,251 steps of 8 x 128
images; 50 of each class are held out for a search.  Not reproduced here.

    tools/dist_train.sh configs/supernet/vitas_in1k_supernet.py 8
"""

_base_ = ['../_base_/classification_runtime.py', '../_base_/datasets/imagenet_supernet.py']
steps_per_epoch = 1251
model = dict(
    type='nasvit_mm.Supernet',
    model=dict(
        type='nasvit_mm.ImageClassifier',
        space=dict(space='vitas_deit_small'),
        num_classes=1000,
        sharing='cyclic',
        label_smoothing=0.1,
        data_preprocessor=dict(
            type='nasvit_mm.ClassificationPreprocessor',
            erasing=dict(probability=0.25, mode='pixel'),
        ),
    ),
    sampler=dict(type='single_path'),
)
train_dataloader = dict(
    batch_size=128,
    dataset=dict(num_per_class=-50, transform=dict(auto_augment=None, color_jitter=None)),
)
held_out_dataloader = dict(dataset=dict(num_per_class=50))
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, flat_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, by_epoch=False, begin=0, end=5 * steps_per_epoch),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=5 * steps_per_epoch),
]
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=300 * steps_per_epoch, val_interval=5 * steps_per_epoch
)
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'vitas_b', 'largest'])
test_cfg = dict(type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'vitas_b', 'largest'])
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
auto_scale_lr = dict(enable=False, base_batch_size=1024)
