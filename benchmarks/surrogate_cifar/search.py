"""NASViT's subnets on CIFAR-10: accuracy by the supernet and MACs at 32 pixels; for run.py.

Accuracy is of half of val, 100 images a class, for there are 6,400 subnets to judge.
"""

space = dict(space='nasvit', restrict=dict(resolution=[32], depth=[[1, 2]] + [[3, 4]] * 6))
objectives = [dict(metric='accuracy/top1', goal='max'), dict(metric='macs', goal='min')]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/nasvit_cifar10.py',
    checkpoint='work_dirs/nasvit_cifar10/iter_3000.pth',
    num_calibration=4,
    dataloader=dict(dataset=dict(num_per_class=100)),
)
algorithm = dict(type='nsga2', population=64, generations=16)
seed = 0
