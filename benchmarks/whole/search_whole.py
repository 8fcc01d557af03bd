"""Whole models by the supernet of whole.py, their mIoU on val and MACs in total; for run.py."""

_base_ = './search_backbone.py'
space = dict(task=dict(scale=[50, 75, 100], taps=[32, 64], head=[32, 64, 128]))
task = './whole.py'
evaluator = dict(
    config='benchmarks/whole/whole.py',
    checkpoint='work_dirs/whole/whole/seed0/supernet/iter_2300.pth',
)
