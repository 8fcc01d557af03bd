"""supernet.py with a teacher, from which all subnets learn beside the labels; nothing is distilled
from the largest.

    python tools/train.py benchmarks/bccd_ranking/supernet_taught.py
"""

_base_ = './supernet.py'
model = dict(
    distill=None,
    teacher=dict(
        config='benchmarks/bccd_ranking/teacher.py',
        checkpoint='work_dirs/bccd_ranking/teacher/seed0/epoch_20.pth',
    ),
)
