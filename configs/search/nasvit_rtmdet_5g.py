"""NASViT detectors for COCO by their own mAP: at most 5 G MACs in total at 640 x 640.

The supernet was trained in RTMDet, so a candidate is a whole detector, and its figure is the mAP on
images held out of training, batch norms recalibrated for each candidate; nothing is trained.  Of
the 5 % that are held out a fifth is used, about 1,170 images, read again for each candidate.
Models of the space reach from 3.76 to 10.07 G.

    python tools/search.py configs/search/nasvit_rtmdet_5g.py

Needs the supernet of configs/supernet/nasvit_rtmdet_coco_supernet.py.
"""

space = dict(space='nasvit', restrict=dict(resolution=[224]))
task = '../supernet/nasvit_rtmdet_coco_supernet.py'
input_size = (640, 640)
objectives = [dict(metric='coco/bbox_mAP', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=5e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/nasvit_rtmdet_coco_supernet.py',
    checkpoint='work_dirs/nasvit_rtmdet_coco_supernet/epoch_300.pth',
    split='held_out',
    dataloader=dict(dataset=dict(every=100)),
    num_calibration=16,
    cache=False,
)
algorithm = dict(type='nsga2', population=64, generations=20)
seed = 0
