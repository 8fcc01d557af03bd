"""supernet.py from labels alone: no teacher, and nothing is distilled from the largest.

python tools/train.py benchmarks/ranking/supernet_labels.py
"""

_base_ = './supernet.py'
model = dict(distill=None)
