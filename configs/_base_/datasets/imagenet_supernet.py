"""ImageNet-1k with the weak augmentation of NASViT's and ElasticViT's supernets.

data/imagenet/{train,val}/<class>/*.JPEG

RandAugment of one operation at magnitude 1: with mixup and CutMix of alpha 0.01 and erasing with
probability 0.01, which are in the model's preprocessor, what the papers call simplified
augmentation.  Training images come to the preprocessor as bytes, and are normalised on the device.

Five images of each class of train are held out, for a search to choose by.
"""

transform = dict(
    input_size=224,
    is_training=True,
    auto_augment='rand-n1-m1-mstd0.5-inc1',
    interpolation='bicubic',
    normalize=False,
)
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='nasvit_mm.SeededInfiniteSampler', shuffle=True),
    dataset=dict(
        type='nasvit_mm.ImageFolder',
        data_root='data/imagenet',
        split='train',
        num_per_class=-5,
        transform=transform,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='nasvit_mm.ImageFolder',
        data_root='data/imagenet',
        split='val',
        transform=dict(input_size=224, is_training=False, interpolation='bicubic', crop_pct=0.875),
    ),
)
test_dataloader = val_dataloader
held_out_dataloader = dict(
    val_dataloader, dataset=dict(val_dataloader['dataset'], split='train', num_per_class=5)
)

val_evaluator = dict(type='nasvit_mm.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
held_out_evaluator = val_evaluator
