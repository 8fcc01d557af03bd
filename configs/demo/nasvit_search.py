"""NASViT backbones for the demo's task under 0.32 GMACs in total, backbone and head, at 128 x 192.

The smallest model of the space has 0.24 G there, the largest 0.58 G.  Accuracy is that of the
supernet's subnets on patches that it was not trained on, batch norms recalibrated.

    python tools/search.py configs/demo/nasvit_search.py

Needs the supernet of configs/demo/nasvit_supernet.py; `make demo` runs all.
"""

space = dict(space='nasvit', restrict=dict(resolution=[48]))
task = './nasvit_demo.py'
input_size = (128, 192)
objectives = [dict(metric='accuracy/top1', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=0.32e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/demo/nasvit_supernet.py',
    checkpoint='work_dirs/demo/supernet/iter_80.pth',
    num_calibration=8,
)
algorithm = dict(type='nsga2', population=8, generations=4)
seed = 0
