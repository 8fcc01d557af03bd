"""NASViT segmentors for the demo by their own mIoU: at most 0.40 GMACs in total at 128 x 192.

The supernet was trained in the task, so a candidate is a whole model, with a head of its own width;
models of the space reach from 0.13 to 0.58 G.

    python tools/search.py configs/demo/nasvit_dense_search.py

Needs the supernet of configs/demo/nasvit_dense.py.
"""

space = dict(
    space='nasvit',
    restrict=dict(resolution=[48]),
    task=dict(head=[64, 128, 256]),  # the supernet's
)
task = './nasvit_dense.py'
input_size = (128, 192)
objectives = [dict(metric='mIoU', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=0.40e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/demo/nasvit_dense.py',
    checkpoint='work_dirs/nasvit_dense/iter_100.pth',
    split='held_out',
    num_calibration=8,
)
algorithm = dict(type='nsga2', population=8, generations=3)
seed = 0
