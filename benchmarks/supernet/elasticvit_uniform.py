"""ElasticViT's supernet on CIFAR-10 by uniform sampling: as many subnets a step, from labels."""

_base_ = '../../configs/supernet/elasticvit_cifar10.py'
model = dict(sampler=dict(_delete_=True, type='uniform', num_random=4), distill=dict(_delete_=True))
