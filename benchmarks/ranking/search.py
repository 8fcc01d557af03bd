"""Whole models by the taught supernet: mIoU on val, MACs in total at 180 x 240; for winners.py."""

space = dict(space='nasvit', restrict=dict(resolution=[64]))
task = './alone_taught.py'
input_size = (180, 240)
objectives = [dict(metric='mIoU', goal='max'), dict(metric='macs', goal='min')]
evaluator = dict(
    type='SupernetEvaluator',
    config='benchmarks/ranking/supernet_taught.py',
    checkpoint='work_dirs/ranking/taught/seed0/iter_4600.pth',
    num_calibration=16,
)
algorithm = dict(type='surrogate', population=48, batch=16, generations=8)  # 160 candidates
initial = ['smallest', 'largest']
seed = 0
