"""alone.py with the supernet's teacher."""

_base_ = './alone.py'
teacher = dict(
    config='benchmarks/bccd_ranking/teacher.py',
    checkpoint='work_dirs/bccd_ranking/teacher/seed0/epoch_20.pth',
)
