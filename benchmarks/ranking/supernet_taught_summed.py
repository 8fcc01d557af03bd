"""supernet_taught.py without gradient projection: the gradients of a step's subnets are summed.

python tools/train.py benchmarks/ranking/supernet_taught_summed.py
"""

_base_ = './supernet_taught.py'
model = dict(conflict=dict(rule='sum'))
