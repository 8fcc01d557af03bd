"""ElasticViT on ADE20K within 5 GMACs: the short name of the config below, which says more.

MACs at 512 x 512:  backbone 2.79 G, head 1.33 G, total 4.12 G.

    python tools/train.py configs/seg/elasticvit_ade20k.py
"""

_base_ = './elastic-L2_segformer-head_8xb2-160k_ade20k-512x512.py'
