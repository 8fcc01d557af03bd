"""Runtime of every detection config: registry scope, epochs, checks, images."""

_base_ = 'runtime.py'
default_scope = 'mmdet'
# Serves mmcv's compiled operations where mmcv was installed without them.
custom_imports = dict(imports=['nasvit_mm.compat'], allow_failed_imports=False)

default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(by_epoch=True, interval=1, save_best='auto'),
    check_data=dict(type='nasvit_mm.CheckData'),
    visualization=dict(type='DetVisualizationHook'),
)
visualizer = dict(type='DetLocalVisualizer')
log_processor = dict(by_epoch=True)
