"""NASViT segmentors for CamVid by their own mIoU: at most 3 G multiply-adds in total at 360 x 480.

The supernet was trained in the task; a candidate's figure is mIoU on CamVid's val (101 pictures of
a drive that is in train too), test is for the final figure.  Models of the space reach from 1.84 to
4.95 G.

    python tools/search.py configs/search/nasvit_camvid_miou.py

Needs the supernet of configs/supernet/nasvit_camvid.py.
"""
space = dict(space='nasvit', restrict=dict(resolution=[64]))
task = '../supernet/nasvit_camvid.py'
input_size = (360, 480)
objectives = [dict(metric='mIoU', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=3e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/nasvit_camvid.py',
    checkpoint='work_dirs/nasvit_camvid/iter_2000.pth',
    num_calibration=16)
algorithm = dict(type='nsga2', population=16, generations=8)
seed = 0
