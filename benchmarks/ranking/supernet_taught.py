"""supernet.py with a teacher, whose maps all subnets learn beside the labels; nothing is distilled
from the largest.

    python tools/train.py benchmarks/ranking/supernet_taught.py
"""

_base_ = './supernet.py'
model = dict(
    distill=None,
    teacher=dict(
        config='benchmarks/ranking/teacher.py',
        checkpoint='work_dirs/ranking/teacher/seed0/iter_2300.pth',
    ),
)
