"""Whole segmentors for CamVid, backbone, input size, taps and head, by their own mIoU and MACs.

nasvit_camvid_miou.py where not the backbone alone is searched: models reach from 0.241 to 4.385 G,
there from 1.13 to 4.24 G.  A candidate's mIoU is on CamVid's val at the size of the annotations,
360 x 480, whatever the size it computes at; test is for the final metric.

    python tools/search.py configs/search/nasvit_camvid_whole_miou.py

Needs the supernet of configs/supernet/nasvit_camvid_whole.py, and scikit-learn for the predictor
by which candidates are chosen.
"""

_base_ = './nasvit_camvid_miou.py'
space = dict(task=dict(scale=[50, 75, 100], taps=[32, 64], head=[32, 64, 128], outputs=[3, 4]))
task = '../supernet/nasvit_camvid_whole.py'
evaluator = dict(
    config='configs/supernet/nasvit_camvid_whole.py',
    checkpoint='work_dirs/nasvit_camvid_whole/iter_2000.pth',
)
algorithm = dict(_delete_=True, type='surrogate', generations=10)  # 192 candidates
