"""NASViT backbones by the Tiny-ImageNet supernet's accuracy, under a dense budget; for run.py."""

space = dict(space='nasvit', restrict=dict(resolution=[64]))
task = './task.py'
input_size = (512, 512)
objectives = [dict(metric='accuracy/top1', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=3e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/nasvit_tiny-imagenet20.py',
    checkpoint='work_dirs/nasvit_tiny-imagenet20/iter_1000.pth',
    split='held_out',
    num_calibration=8,
)
algorithm = dict(type='nsga2', population=16, generations=6)
seed = 0
