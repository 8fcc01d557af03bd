"""The ADE20K model with a head of 64 channels: budgets from 2 G on leave something to choose.

MACs at 512 x 512: from 1.83 G to 6.85 G in total; 1 G is below any NASViT backbone (1.71 G).
"""

_base_ = '../../configs/seg/nasvit_ade20k.py'
model = dict(decode_head=dict(channels=64))
