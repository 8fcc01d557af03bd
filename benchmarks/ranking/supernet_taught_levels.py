"""supernet_taught.py by ElasticViT's complexity-aware sampling: the subnets of a step cost about
the same.

Levels are of the image classifier at 64 pixels, as the sampler counts; a step has two subnets of
its level and the smallest one, three as in supernet_taught.py.

    python tools/train.py benchmarks/ranking/supernet_taught_levels.py
"""

_base_ = './supernet_taught.py'
model = dict(
    sampler=dict(
        _delete_=True, type='levels', levels=[26e6, 38e6, 52e6, 68e6], tolerance=3e6, num=2
    )
)
