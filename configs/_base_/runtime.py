"""Runtime of every config, whatever the task: processes, hooks, logs."""

env_cfg = dict(
    # It times its algorithms anew for every size: of supernets, detectors and whole images of
    # ADE20K there are hundreds. True pays for one network on images of one size.
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),  # without a GPU the tools start gloo instead
)
randomness = dict(seed=0)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=10000, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    share_buffers=dict(type='nasvit_mm.ShareBuffers'),
    # A resumed run repeats what the uninterrupted one would have done, bit by bit (with the sampler
    # and the first transform of the data sets).
    seeding=dict(type='nasvit_mm.SeedIterations'),
)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
