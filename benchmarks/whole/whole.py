"""CamVid at half its size, 50 epochs: a supernet whose input size, taps and head are elastic too.

The rest is as in backbone.py; the head's largest width is twice that of the head there.

    python tools/train.py benchmarks/whole/whole.py
"""

_base_ = './backbone.py'
task = dict(scale=[50, 75, 100], taps=[32, 64], head=[32, 64, 128])
model = dict(model=dict(backbone=dict(space=dict(task=task)), decode_head=dict(channels=128)))
