"""Twins-like ViTAS backbones for ADE20K: at most 50 G MACs in total at 512 x 512.

Backbone, neck and head (Semantic FPN, 21 G of its own) of configs/seg/vitas_ade20k.py count; the
models of the space reach from 21 to 125 G there, Twins-SVT-S has 38 G.  ViTAS's evolution: NSGA-II
over accuracy and cost, accuracy on five held-out images of each class, the mean over both phases
of the weight sharing.  No batch norms, so nothing is recalibrated.

    python tools/search.py configs/search/vitas_ade20k_50g.py

Needs the supernet of configs/supernet/vitas_twins_in1k.py.
"""

space = 'vitas_twins'
task = '../seg/vitas_ade20k.py'
input_size = (512, 512)
objectives = [dict(metric='accuracy/top1', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=50e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/vitas_twins_in1k.py',
    checkpoint='work_dirs/vitas_twins_in1k/iter_375300.pth',
    split='held_out',
    dataloader=dict(dataset=dict(num_per_class=5)),  # of 50: all would be 30 GB in memory
    phase=None,
    num_calibration=0,
)
algorithm = dict(type='vitas', population=50, generations=40)
seed = 0
