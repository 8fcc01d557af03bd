"""COCO 2017, boxes and masks, at 640 x 640: `coco_mosaic.py` with masks, as mmdet's RTMDet-Ins.

Masks are loaded as bitmaps, not as polygons (poly2mask=False), which is quicker, but ignores all
instances whose masks are run-length encoded.
"""

_base_ = 'coco_mosaic.py'
load = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
crop = dict(type='RandomCrop', crop_size=_base_.size, recompute_bbox=True, allow_negative_crop=True)
keep = dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1))
steps = dict(LoadAnnotations=load, RandomCrop=crop)
train_pipeline = [
    *(steps.get(step['type'], step) for step in _base_.train_pipeline[:-1]),
    keep,
    _base_.train_pipeline[-1],
]
last_pipeline = [
    *(steps.get(step['type'], step) for step in _base_.last_pipeline[:-1]),
    keep,
    _base_.last_pipeline[-1],
]
test_pipeline = [steps.get(step['type'], step) for step in _base_.test_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
custom_hooks = [dict(_base_.custom_hooks[0], switch_pipeline=last_pipeline)]
