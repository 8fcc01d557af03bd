"""NASViT's supernet on ImageNet-1k.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L); the recipe is the released code's.
Sandwich of largest, smallest and two random subnets; the largest learns from two external
teachers, the others from the largest; gradient projection from epoch 101 on.  400 epochs of 2,502
steps of 8 x 64 images.  Figures to expect, of its README after recalibration: 78.3 top-1
(smallest), 82.8 (largest); not reproduced here.

    tools/dist_train.sh configs/supernet/nasvit_in1k_supernet.py 8

timm downloads the teachers' weights; from local files: --cfg-options
model.teacher_weights=[A.pth,B.pth]; without teachers: model.teachers=None.  The schedule counts
steps: on other than 8 processes of 64 images give --cfg-options steps_per_epoch=20018 (of one)
and --auto-scale-lr.  Small images: configs/supernet/nasvit_tiny-imagenet20.py.
"""

_base_ = ['../_base_/classification_runtime.py', '../_base_/datasets/imagenet_supernet.py']
num_classes = 1000
steps_per_epoch = 2502
model = dict(
    type='nasvit_mm.Supernet',
    model=dict(
        type='nasvit_mm.ImageClassifier',
        space=dict(space='nasvit'),
        num_classes=num_classes,
        data_preprocessor=dict(
            type='nasvit_mm.ClassificationPreprocessor',
            erasing=dict(probability=0.01, mode='pixel'),
            mixup=dict(
                mixup_alpha=0.01, cutmix_alpha=0.01, label_smoothing=0.1, num_classes=num_classes
            ),
        ),
    ),
    sampler=dict(type='sandwich', num_random=2),
    conflict=dict(rule='project', start_epoch=101),
    distill=dict(largest='teachers', sampled='largest', smallest='largest', temperature=0.2),
    teachers=['resnext101_32x4d.fb_swsl_ig1b_ft_in1k', 'resnext101_32x8d.fb_swsl_ig1b_ft_in1k'],
    clip_grad=1.0,
)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-4, betas=(0.9, 0.999), weight_decay=0.0)
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 600, by_epoch=False, begin=0, end=5 * steps_per_epoch),
    # From step 0 on, under the warm-up, as in the released code.
    dict(type='CosineAnnealingLR', eta_min_ratio=1 / 60, by_epoch=False, end=400 * steps_per_epoch),
]
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=400 * steps_per_epoch, val_interval=steps_per_epoch
)
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'largest'])
test_cfg = dict(type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'largest'])
custom_hooks = [
    dict(type='nasvit_mm.SupernetState'),
    dict(
        type='EMAHook',
        ema_type='nasvit_mm.ExponentialMovingAverage',
        momentum=0.00015,
        update_buffers=True,
        priority='NORMAL',
    ),
]
auto_scale_lr = dict(enable=False, base_batch_size=512)
