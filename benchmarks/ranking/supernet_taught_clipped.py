"""supernet_taught.py with NASViT's limit of the gradient: of the subnets' part alone, not of the
largest network's.

    python tools/train.py benchmarks/ranking/supernet_taught_clipped.py
"""

_base_ = './supernet_taught.py'
model = dict(clip_grad=1.0)
optim_wrapper = dict(clip_grad=None)
