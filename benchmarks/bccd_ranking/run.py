"""Does a detector's supernet rank?  Four of its subnets against the same networks alone, on BCCD.

    python benchmarks/bccd_ranking/run.py --seeds 0  # all below, some hours of a core; it resumes
    python benchmarks/bccd_ranking/run.py taught     # one stage
    python benchmarks/bccd_ranking/run.py --report   # docs/bccd_ranking.json and .png, the table

As ../ranking/run.py, smaller, with a small RetinaNet at 192 x 256: `teacher`,
EfficientNet-Lite0 with ImageNet weights; the supernets `plain` and `taught`; `alone` and
`alone_taught`, four architectures over the range of MACs, for as many epochs from the same start.
mAP on val and on test.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _ranking import Study  # noqa: E402
from _runs import ROOT, main  # noqa: E402


def of(split: str) -> list[str]:
    """Return the options by which a test is of a split."""
    return [
        f'test_dataloader.dataset.ann_file=annotations/{split}.json',
        f'test_dataloader.dataset.data_prefix.img=images/{split}/',
        f'test_evaluator.ann_file=data/bccd/annotations/{split}.json',
    ]


STUDY = Study(
    configs=Path(__file__).resolve().parent,
    supernets={'plain': 'supernet.py', 'taught': 'supernet_taught.py'},
    alone={'alone': 'alone.py', 'alone_taught': 'alone_taught.py'},
    teacher='teacher.py',
    last='epoch_40.pth',
    teacher_last='epoch_20.pth',
    size=(192, 256),
    points=4,
    metric='coco/bbox_mAP',
    splits={split: of(split) for split in ('val', 'test')},
    target=ROOT / 'docs/bccd_ranking',
    unit=100,
)

if __name__ == '__main__':
    work_dir = ROOT / 'work_dirs/bccd_ranking'
    main(__doc__, 'stage', dict.fromkeys(STUDY.stages), work_dir, STUDY.run, STUDY.report)
