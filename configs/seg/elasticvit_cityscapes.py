"""ElasticViT on Cityscapes within 5 GMACs: the short name of the config below, which says more.

MACs at 512 x 1024:  backbone 3.25 G, head 1.36 G, total 4.61 G.

    python tools/train.py configs/seg/elasticvit_cityscapes.py
"""

_base_ = './elastic-S1_segformer-head-192_8xb2-160k_cityscapes-512x1024.py'
