"""UperNet of 36 channels on CamVid, from scratch: a row of run.py.

Pooling pyramid and feature pyramid.

MACs at 512 x 512:  backbone 1.71 G, head 0.27 G, total 1.98 G.

    python tools/train.py benchmarks/heads/uper.py
"""

_base_ = './_camvid_small.py'
model = dict(decode_head=dict(type='UPerHead', pool_scales=(1, 2, 3, 6), channels=36))
