"""How a supernet's widths share their channels (ViTAS), against the same networks trained alone.

    python benchmarks/sharing/run.py --seeds 0      # all below, some hours of a core; it resumes
    python benchmarks/sharing/run.py cyclic         # one stage
    python benchmarks/sharing/run.py --report       # docs/sharing.json and .png, the table

As ../ranking/run.py on the same data and for as many steps, with a Twins space, one path a step and
labels alone, which is ViTAS's method: the supernets `ordinal`, `bilateral` and `cyclic`, whose
subnets are asked in both phases; `alone`, four architectures over the range of MACs.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _ranking import Study, of_camvid  # noqa: E402
from _runs import ROOT, main  # noqa: E402

STUDY = Study(
    configs=Path(__file__).resolve().parent,
    supernets={rule: f'supernet_{rule}.py' for rule in ('ordinal', 'bilateral', 'cyclic')},
    alone={'alone': 'alone.py'},
    last='iter_4600.pth',
    size=(180, 240),
    points=4,
    metric='mIoU',
    splits={split: of_camvid(split) for split in ('val', 'test')},
    target=ROOT / 'docs/sharing',
)

if __name__ == '__main__':
    work_dir = ROOT / 'work_dirs/sharing'
    main(__doc__, 'stage', dict.fromkeys(STUDY.stages), work_dir, STUDY.run, STUDY.report)
