"""alone.py with the supernets' teacher."""

_base_ = './alone.py'
teacher = dict(
    config='benchmarks/ranking/teacher.py',
    checkpoint='work_dirs/ranking/teacher/seed0/iter_2300.pth',
)
