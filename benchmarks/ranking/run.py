"""Does a dense supernet rank?  Its subnets against the same networks trained alone, on CamVid.

    python benchmarks/ranking/run.py --seeds 0   # all below, days of a core; stop and start it
    python benchmarks/ranking/run.py plain          # one stage
    python benchmarks/ranking/run.py --report       # docs/ranking.json, docs/ranking.png, the table

Stages: `teacher`, EfficientNet-Lite0 with ImageNet weights, fine-tuned (teacher.py says where they
come from); the supernets `labels` alone, `plain`, whose subnets learn from the largest too,
`taught` by the teacher instead, `shrunk` (progressive shrinking of `plain`) and `taught_shrunk`;
`taught_clipped`, with NASViT's limit of the gradient; `taught_summed`, without gradient projection,
`taught_levels`, by ElasticViT's complexity-aware sampling, and `taught_bank`, by its
performance-aware one; `alone` and `alone_taught`, eight architectures over the range of MACs, each
trained alone from the same start for as many iterations.  Every supernet is then asked for the same
eight (with batch norms recalibrated), on val and on test.

Started twice, it shares the trainings among both processes; what the report does not have yet comes
first.  Hours are of one core, where OMP_NUM_THREADS=1.  --report keeps what docs/ranking.json has
of runs that are not there any more, network by network.
Needs data/camvid (configs/_base_/datasets/camvid.py says how it lies).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _ranking import Study, of_camvid  # noqa: E402
from _runs import ROOT, main  # noqa: E402

ITERATIONS, TEACHER_ITERATIONS = 4600, 2300
WORK_DIR, SIZE = ROOT / 'work_dirs/ranking', (180, 240)
STUDY = Study(
    configs=Path(__file__).resolve().parent,
    supernets={
        'labels': 'supernet_labels.py',
        'plain': 'supernet.py',
        'taught': 'supernet_taught.py',
        'taught_clipped': 'supernet_taught_clipped.py',
        'shrunk': 'supernet_shrunk.py',
        'taught_shrunk': 'supernet_taught_shrunk.py',
        'taught_summed': 'supernet_taught_summed.py',
        'taught_levels': 'supernet_taught_levels.py',
        'taught_bank': 'supernet_taught_bank.py',
    },
    alone={'alone': 'alone.py', 'alone_taught': 'alone_taught.py'},
    teacher='teacher.py',
    last=f'iter_{ITERATIONS}.pth',
    teacher_last=f'iter_{TEACHER_ITERATIONS}.pth',
    size=SIZE,
    points=8,
    metric='mIoU',
    splits={split: of_camvid(split) for split in ('val', 'test')},
    target=ROOT / 'docs/ranking',
)

if __name__ == '__main__':
    main(__doc__, 'stage', dict.fromkeys(STUDY.stages), WORK_DIR, STUDY.run, STUDY.report)
