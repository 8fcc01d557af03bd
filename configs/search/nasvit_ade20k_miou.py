"""NASViT segmentors for ADE20K by their own mIoU: at most 5 G MACs in total at 512 x 512.

The supernet was trained in the task, so a candidate is a whole model, and its figure is the mIoU on
the images held out of training (about 1,010), batch norms recalibrated on batches as large as
those of the training on 8 GPUs; nothing is trained.
tools/export_subnet.py writes backbone, taps and head, and measures them again.  Models of the space
reach from 3.04 to 8.07 G.  All held-out images are kept in memory
(evaluator.cache=False: read again for each).

    python tools/search.py configs/search/nasvit_ade20k_miou.py

Needs the supernet of configs/supernet/nasvit_ade20k_supernet.py.
"""

space = dict(space='nasvit', restrict=dict(resolution=[224]))
task = '../supernet/nasvit_ade20k_supernet.py'
input_size = (512, 512)
objectives = [dict(metric='mIoU', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=5e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/nasvit_ade20k_supernet.py',
    checkpoint='work_dirs/nasvit_ade20k_supernet/iter_160000.pth',
    split='held_out',
    calibration_dataloader=dict(batch_size=16),
    num_calibration=16,
)
algorithm = dict(type='nsga2', population=64, generations=20)
seed = 0
