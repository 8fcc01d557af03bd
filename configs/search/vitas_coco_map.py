"""Twins-like ViTAS detectors for COCO by their own mAP: at most 250 G MACs at 800 x 1344.

The supernet was trained in RetinaNet, so a candidate is a whole detector, and its figure is the
mAP on images held out of training; nothing is trained.  Of the 5 % that are held out a fifth is
used, about 1,170 images, read again for each candidate.  Models of the space reach from 161 to
667 G.

    python tools/search.py configs/search/vitas_coco_map.py

Needs the supernet of configs/supernet/vitas_coco_supernet.py.
"""

space = 'vitas_twins'
task = '../supernet/vitas_coco_supernet.py'
input_size = (800, 1344)
objectives = [dict(metric='coco/bbox_mAP', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=250e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/vitas_coco_supernet.py',
    checkpoint='work_dirs/vitas_coco_supernet/epoch_12.pth',
    split='held_out',
    dataloader=dict(dataset=dict(every=100)),
    num_calibration=0,
    cache=False,
)
algorithm = dict(type='vitas', population=50, generations=20)
seed = 0
