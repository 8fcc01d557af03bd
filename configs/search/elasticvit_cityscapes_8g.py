"""ElasticViT backbones for Cityscapes: at most 8 G MACs in total at 512 x 1024.

Backbone and head of configs/seg/elasticvit_cityscapes.py count; the models of the space reach from
2.5 to 27 G there.  ElasticViT's own evolution, whose released code does not run; it begins with the
architectures that training's memory banks found good, those of them that fit the budget.  Accuracy
is the supernet's on images held out of ImageNet's training set.

    python tools/search.py configs/search/elasticvit_cityscapes_8g.py

Needs the supernet of configs/supernet/elasticvit_in1k_supernet.py.
"""

# A dense model has no resolution of its own: left free, it would cost nothing.
space = dict(space='elasticvit', restrict=dict(resolution=[224]))
task = '../seg/elasticvit_cityscapes.py'
input_size = (512, 1024)
objectives = [dict(metric='accuracy/top1', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', low=6e9, high=8e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/elasticvit_in1k_supernet.py',
    checkpoint='work_dirs/elasticvit_in1k_supernet/iter_1017480.pth',
    split='held_out',
    num_calibration=32,
)
initial = 'work_dirs/elasticvit_in1k_supernet/iter_1017480.pth'
algorithm = dict(type='elasticvit', population=512, generations=20, keep=256)
seed = 0
