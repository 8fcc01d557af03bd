"""supernet_taught.py with progressive shrinking: a fifth of the steps the largest alone,
then depth, then the rest.

python tools/train.py benchmarks/ranking/supernet_taught_shrunk.py
"""

_base_ = './supernet_taught.py'
model = dict(
    sampler=dict(
        _delete_=True,
        type='shrinking',
        sampler=dict(type='sandwich', num_random=1),
        schedule=[
            dict(steps=920),  # the largest network alone
            dict(steps=920, free=['depth']),
            dict(free='rest'),
        ],
    )
)
