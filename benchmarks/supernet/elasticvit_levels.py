"""ElasticViT's supernet on CIFAR-10 by complexity-aware sampling alone, without memory banks."""

_base_ = '../../configs/supernet/elasticvit_cifar10.py'
sampler = _base_.model.sampler
model = dict(
    sampler=dict(
        _delete_=True,
        type='levels',
        levels=sampler['levels'],
        tolerance=sampler['tolerance'],
        count_args=sampler['count_args'],
        smallest=sampler['smallest'],
    )
)
