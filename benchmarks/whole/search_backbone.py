"""Backbones by the supernet of backbone.py, their mIoU on val and MACs in total; for run.py."""

space = dict(space='nasvit', restrict=dict(resolution=[64]))
task = './backbone.py'
input_size = (180, 240)
objectives = [dict(metric='mIoU', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=0.8e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='benchmarks/whole/backbone.py',
    checkpoint='work_dirs/whole/backbone/seed0/supernet/iter_2300.pth',
    num_calibration=8,
)
algorithm = dict(type='nsga2', population=20, generations=10)
initial = ['smallest']  # random ones are all of the middle
seed = 0
