"""Why do subnets rank otherwise than alone?  A taught supernet, in ways that train it no further.

    python benchmarks/ranking/remedies.py             # all: about an hour of a core; it resumes
    python benchmarks/ranking/remedies.py head
    python benchmarks/ranking/remedies.py --report    # docs/ranking_remedies.json and the table

Needs the stages `taught_clipped` and `alone_taught` of run.py, seed 0.  Each remedy takes away one
suspect for all eight architectures: `statistics`, batch norms of four times as many images; `head`,
a head of the subnet's own, trained for 230 steps (5 epochs) under a backbone that stays; `brief`,
the whole subnet trained for as long.  What it gives stands beside the same network trained alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _ranking import compared  # noqa: E402
from _runs import ROOT, claimed, main, tested, tool, written  # noqa: E402
from run import STUDY, WORK_DIR  # noqa: E402
from winners import export, options  # noqa: E402

JSON = ROOT / 'docs/ranking_remedies.json'
SUPERNET = 'taught_clipped'
STEPS, CALIBRATION = 230, 64
REMEDIES = {
    'statistics': [],
    'head': ['optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult=0.0'],
    'brief': [],
}


def run(remedy: str, seed: int, folder: Path) -> None:
    """What of a remedy is not done yet; of the first seed alone."""
    work_dir = folder.parents[2]
    if seed != 0:
        return
    if remedy == 'statistics':
        with claimed(folder) as free:
            for split in STUDY.splits if free else ():
                if not tested(folder / split):
                    given = [work_dir / f'{SUPERNET}/seed0', split, folder / split / 'test']
                    more = f'test_cfg.num_calibration={CALIBRATION}'
                    STUDY.test_supernet(SUPERNET, *given, more)
        return
    for i, arch in enumerate(STUDY.files(work_dir)):
        out = folder / str(i)
        with claimed(out) as free:
            if free:
                trained(remedy, arch, out, work_dir)


def trained(remedy: str, arch: Path, out: Path, work_dir: Path) -> None:
    """Export a subnet, train what the remedy says, and test it on both splits."""
    config, last = export(arch, out / 'export', work_dir, SUPERNET), out / f'iter_{STEPS}.pth'
    if not last.exists():
        given = [*options(0, work_dir, STEPS), *REMEDIES[remedy]]
        tool('train', config, '--work-dir', out, '--resume', '--cfg-options', *given)
    for split, of_split in STUDY.splits.items():
        if not tested(out / split):
            where = ['--work-dir', out / split / 'test']
            tool('test', config, last, *where, '--cfg-options', *of_split)


def report(work_dir: Path) -> None:
    """Print the table, write docs/ranking_remedies.json."""
    study = written(STUDY.target.with_suffix('.json'))['runs']
    alone = study['alone_taught']['0']
    results = dict(written(JSON))
    for remedy in REMEDIES:
        folder = work_dir / remedy / 'seed0'
        if remedy == 'statistics':  # in the form of a supernet's tests; nothing is trained
            found = STUDY.found_by(SUPERNET, folder)
            del found['hours']
        else:
            found = STUDY.found_by('alone_taught', folder)
        if all(all(found[split]) for split in STUDY.splits):
            results[remedy] = found
    print('| subnets | split | ' + ' | '.join(map(str, range(STUDY.points))) + ' | beside alone |')
    print('|---|---|' + '---|' * (STUDY.points + 1))
    for name, run in {'as they are': study[SUPERNET]['0'], **results}.items():
        for split in STUDY.splits:
            row = ' | '.join(f'{score:.1f}' for score in run[split])
            print(f'| {name} | {split} | {row} | {compared(run[split], alone[split])} |')
    JSON.write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main(__doc__, 'remedy', dict.fromkeys(REMEDIES), WORK_DIR / 'remedies', run, report)
