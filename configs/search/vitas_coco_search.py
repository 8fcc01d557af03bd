"""Twins-like ViTAS backbones for RetinaNet on COCO: at most 250 G MACs at 800 x 1344.

Backbone, neck and head of configs/det/vitas_coco.py count (the head takes 145 G, the neck 14 G);
Twins-SVT-S has 248 G there.  ViTAS's evolution: NSGA-II over the accuracy of the supernet's
subnets and the cost.  No batch norms, so nothing is recalibrated.

    python tools/search.py configs/search/vitas_coco_search.py

Needs the supernet of configs/supernet/vitas_twins_in1k.py.
"""

_base_ = './vitas_ade20k_50g.py'
task = '../det/vitas_coco.py'
input_size = (800, 1344)
constraints = [dict(metric='macs', high=250e9)]
