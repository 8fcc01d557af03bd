"""Train one ViTAS network on ImageNet-1k from scratch: the searched one, after its search.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700); the recipe is the public code's for its searched
networks: the supernet's schedule, with RandAugment, colour jitter, drop path 0.1, and from 2.7 G
on mixup.  300 epochs of 1,251 steps of 8 x 128 images.  Published top-1: 77.4 (vitas_e); not
reproduced here.

    tools/dist_train.sh configs/cls/vitas_retrain_in1k.py 8

Another network: --cfg-options model.arch=subnet.json (or a name, a net_id, a mapping), and
model.space.space=vitas_twins for another space.  Begin from a supernet's weights:
load_from=subnet.pth, as tools/export_subnet.py or extract_subnet writes it.
"""

_base_ = '../supernet/vitas_in1k_supernet.py'
num_classes = 1000
model = dict(
    _delete_=True,
    type='nasvit_mm.ImageClassifier',
    space=dict(space='vitas_deit_small'),
    arch='vitas_e',
    num_classes=num_classes,
    drop_path_rate=0.1,
    data_preprocessor=dict(
        type='nasvit_mm.ClassificationPreprocessor',
        erasing=dict(probability=0.25, mode='pixel'),
        # None for networks below 2.7 G, as the public code has it (then label_smoothing=0.1).
        mixup=dict(
            mixup_alpha=0.8,
            cutmix_alpha=1.0,
            switch_prob=0.5,
            label_smoothing=0.1,
            num_classes=num_classes,
        ),
    ),
)
train_dataloader = dict(
    dataset=dict(
        num_per_class=None,  # all of train: nothing is chosen any more
        transform=dict(
            auto_augment='rand-m9-mstd0.5-inc1', color_jitter=0.4, force_color_jitter=True
        ),
    )
)
val_cfg = dict(_delete_=True)
test_cfg = dict(_delete_=True)
default_hooks = dict(checkpoint=dict(save_best='accuracy/top1'))
custom_hooks = []
