"""NASViT segmentors for CamVid by their own mIoU and MACs in total at 360 x 480.

The supernet was trained in the task; a candidate's figure is mIoU on CamVid's val (101 images of
a drive that is in train too), test is for the final figure.  No budget: the front over the whole
range; models of the space reach from 1.13 to 4.24 G.

    python tools/search.py configs/search/nasvit_camvid_miou.py

Needs the supernet of configs/supernet/nasvit_camvid_supernet.py.
"""

space = dict(space='nasvit', restrict=dict(resolution=[64]))
task = '../supernet/nasvit_camvid_supernet.py'
input_size = (360, 480)
objectives = [dict(metric='mIoU', goal='max'), dict(metric='macs', goal='min')]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/nasvit_camvid_supernet.py',
    checkpoint='work_dirs/nasvit_camvid_supernet/iter_2000.pth',
    num_calibration=16,
)
algorithm = dict(type='nsga2', population=16, generations=8)
initial = ['smallest', 'largest']  # random ones are all of the middle
seed = 0
