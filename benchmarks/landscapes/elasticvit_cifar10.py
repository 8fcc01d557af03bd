"""ElasticViT's subnets on CIFAR-10: accuracy by the supernet and MACs at 32 pixels; for fit.py."""

_base_ = '../surrogate_cifar/search.py'
space = dict(
    _delete_=True,
    space='elasticvit',
    restrict=dict(resolution=[32], depth=[[1, 2], [2, 3], [2, 3], [1, 2], [1, 2], [1, 2], [1, 2]]),
)
evaluator = dict(
    config='configs/supernet/elasticvit_cifar10.py',
    checkpoint='work_dirs/elasticvit_cifar10/iter_1000.pth',
)
