"""Runtime of RTMDet: the detectors', and a moving average of the weights, by which it is judged."""

_base_ = 'detection_runtime.py'
default_hooks = dict(
    checkpoint=dict(interval=10),
    ema=dict(
        type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True, priority=49
    ),
)
