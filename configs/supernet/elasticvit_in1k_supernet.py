"""ElasticViT's supernet on ImageNet-1k.

Paper: ElasticViT, ICCV 2023 (arxiv.org/abs/2303.09730); the recipe is the released code's.
Complexity-aware and performance-aware sampling: three subnets of a level of MACs that
walks from 100 M to 1.2 G, out of memory banks or preferred ones, and the smallest of that level.
The three learn from two external teachers, the smallest from their mean; adaptive gradient
clipping.  600 epochs of 1,668 steps of 8 x 96 images, and 10 at the smallest learning rate.  (The
learning rate falls every step; in the released code every epoch.)  Not reproduced here.

    tools/dist_train.sh configs/supernet/elasticvit_in1k_supernet.py 8

timm downloads the teachers' weights; from local files: --cfg-options
model.teacher_weights=[A.pth,B.pth]; without teachers: model.teachers=None.  The schedule counts
steps: on other than 8 processes of 96 images give --cfg-options steps_per_epoch=13346 (of one)
and --auto-scale-lr.
"""

_base_ = ['../_base_/classification_runtime.py', '../_base_/datasets/imagenet_supernet.py']
num_classes = 1000
steps_per_epoch = 1668
model = dict(
    type='nasvit_mm.Supernet',
    model=dict(
        type='nasvit_mm.ImageClassifier',
        space=dict(space='elasticvit'),
        num_classes=num_classes,
        data_preprocessor=dict(
            type='nasvit_mm.ClassificationPreprocessor',
            erasing=dict(probability=0.01, mode='pixel'),
            mixup=dict(
                mixup_alpha=0.01, cutmix_alpha=0.01, label_smoothing=0.1, num_classes=num_classes
            ),
        ),
    ),
    sampler=dict(type='bank', num=3),
    distill=dict(sampled='teachers', smallest='mean', temperature=0.2),
    teachers=['resnext101_32x4d.fb_swsl_ig1b_ft_in1k', 'resnext101_32x8d.fb_swsl_ig1b_ft_in1k'],
    agc=0.1,
)
train_dataloader = dict(batch_size=96)
# No decay in stem, convolutional stages and the entries of the transformer stages.
undecayed = ['stem', 'stages.0.', 'stages.1.', *[f'stages.{i}.0.' for i in range(2, 6)]]
optim_wrapper = dict(
    type='OptimWrapper',
    # 5e-4 for 512 images a step.
    optimizer=dict(type='AdamW', lr=7.5e-4, betas=(0.9, 0.999), weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys={name: dict(decay_mult=0.0) for name in undecayed},
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 500, by_epoch=False, begin=0, end=5 * steps_per_epoch),
    # From step 0 on, under the warm-up, as in the released code.
    dict(type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=False, end=600 * steps_per_epoch),
]
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=610 * steps_per_epoch, val_interval=steps_per_epoch
)
val_cfg = dict(type='nasvit_mm.SubnetValLoop', subnets=['smallest', 'elastic_S1'])
test_cfg = dict(  # calibrated as long as the released code's evaluation
    type='nasvit_mm.SubnetTestLoop', subnets=['smallest', 'elastic_S1'], num_calibration=129
)
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
auto_scale_lr = dict(enable=False, base_batch_size=768)
