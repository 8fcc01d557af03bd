"""supernet_ordinal.py with bilateral sharing (BCNet): a width has the first channels in one step,
the last ones in the next.

python tools/train.py benchmarks/sharing/supernet_bilateral.py
"""

_base_ = './supernet_ordinal.py'
model = dict(model=dict(backbone=dict(sharing='bilateral')))
