"""Runtime of every segmentation config: registry scope, checks, images."""

_base_ = 'runtime.py'
default_scope = 'mmseg'
# Serves mmcv's compiled operations where mmcv was installed without them.
custom_imports = dict(imports=['nasvit_mm.compat'], allow_failed_imports=False)

default_hooks = dict(
    checkpoint=dict(interval=16000, save_best='mIoU'),
    check_data=dict(type='nasvit_mm.CheckData'),
    visualization=dict(type='SegVisualizationHook'),
)
visualizer = dict(type='SegLocalVisualizer')

tta_model = dict(type='SegTTAModel')
