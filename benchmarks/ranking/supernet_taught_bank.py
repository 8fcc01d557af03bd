"""supernet_taught_levels.py by ElasticViT's performance-aware sampling: banks of good subnets.

Of 100 epochs the share of subnets out of the banks grows every 17, as in ElasticViT's 600 every
100.  A bank holds 30 subnets of its level; what it holds is not scored anew every epoch, which here
has 46 steps.

    python tools/train.py benchmarks/ranking/supernet_taught_bank.py
"""

_base_ = './supernet_taught_levels.py'
model = dict(sampler=dict(type='bank', capacity=30, exploit_every=17, refresh=False))
