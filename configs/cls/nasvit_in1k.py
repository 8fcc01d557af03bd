"""Evaluate a NASViT subnet on ImageNet-1k, by the paper's protocol: 256, centre crop 224.

Paper: NASViT, ICLR 2022 (openreview.net/forum?id=Qaw16njk6L).  The classifier resizes the crop to
the architecture's resolution.  Figures of the released supernet's subnets, of its README: 78.3
top-1 (smallest), 82.8 (largest); their weights are not shipped, and not measured here.

    python tools/convert_checkpoint.py nasvit ckpt_360.pth nasvit_min.pth --arch nasvit_min
    python tools/test.py configs/cls/nasvit_in1k.py nasvit_min.pth

A subnet out of a supernet needs batch norm statistics of its own first: num_calibration training
batches, with the training images in data/imagenet/train; --cfg-options
test_cfg.num_calibration=0 for weights that have them.
"""

_base_ = ['../_base_/classification_runtime.py', '../_base_/datasets/imagenet_supernet.py']
model = dict(
    type='nasvit_mm.ImageClassifier',
    space=dict(space='nasvit'),
    arch='nasvit_min',
    num_classes=1000,
    data_preprocessor=dict(  # of the calibration's images
        type='nasvit_mm.ClassificationPreprocessor', erasing=dict(probability=0.01, mode='pixel')
    ),
)
test_cfg = dict(
    type='nasvit_mm.SubnetTestLoop',
    subnets=['largest'],  # the only one
    num_calibration=64,
    calibration_dataloader={{_base_.train_dataloader}},
)
# No training here.
train_dataloader = None
val_dataloader = None
val_evaluator = None
