"""CamVid at half its size, 50 epochs: a supernet whose backbone alone is elastic.

benchmarks/ranking/supernet.py for half as long, the subnets beside the largest on half of the
batch each.  Taps and head have 64 channels.

    python tools/train.py benchmarks/whole/backbone.py
"""

_base_ = '../ranking/supernet.py'
model = dict(split_batch=True)
train_cfg = dict(max_iters=2300, val_interval=2300)
val_cfg = dict(num_calibration=8)
