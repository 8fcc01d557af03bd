"""ElasticViT on CamVid from scratch: the short name of the config below, which says more.

MACs at 352 x 352:  backbone 0.72 G, head 0.55 G, total 1.27 G.

    python tools/train.py configs/seg/elasticvit_camvid.py
"""

_base_ = './elastic-S1_segformer-head_1xb4-2k_camvid-352x352.py'
