"""The trained models of run.py as artefacts: test mIoU and latency of each runtime and precision.

    python benchmarks/camvid/deploy.py nasvit_min --seeds 0   # of the last checkpoint of that run
    python benchmarks/camvid/deploy.py --report               # the table of what has run

Artefacts lie in work_dirs/camvid/ROW/seedN/deployed/CHECKPOINT/NAME; what is there of the same
weights is not made again.  --report times all artefacts of a row in one process, in turn, and
writes docs/camvid_deploy.json, which keeps what it has of rows that are not there any more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _runs import ROOT, main, seeds, tested, tool, written  # noqa: E402
from run import ROWS, SIZE  # noqa: E402

sys.path.insert(0, str(ROOT))
from nasvit_mm.files import sha256  # noqa: E402

TARGETS = {  # name -> arguments of tools/deploy.py
    'torch': ['--to', 'torch'],
    'onnx': ['--to', 'onnx'],
    'openvino': ['--to', 'openvino'],
    'onnx_int8': ['--to', 'onnx', '--int8'],
    'openvino_int8': ['--to', 'openvino', '--int8'],
}
JSON = ROOT / 'docs/camvid_deploy.json'
THREADS, ROUNDS = 1, 30


def last(folder: Path) -> Path:
    """The checkpoint of most iterations of a run."""
    found = sorted(folder.glob('iter_*.pth'), key=lambda path: int(path.stem.partition('_')[2]))
    if not found:
        sys.exit(f'{folder} has no checkpoint: python benchmarks/camvid/run.py trains one')
    return found[-1]


def described(folder: Path, checkpoint: Path | None = None) -> dict:
    """What an artefact says of itself; {} before it is there, or where it is of other weights."""
    found = written(folder / 'deploy.json')
    other = checkpoint and found and found['origin']['weights_sha256'] != sha256(checkpoint)
    return {} if other else found


def run(row: str, seed: int, folder: Path) -> None:
    """Test the checkpoint, and make and test what is not there yet of its artefacts."""
    checkpoint = last(folder)
    here = folder / 'deployed' / checkpoint.stem
    stale = any(described(here / t) and not described(here / t, checkpoint) for t in TARGETS)
    if stale or not tested(here):
        tool('test', ROWS[row], checkpoint, '--work-dir', here / 'test')
    print(f'{row} seed {seed}, {checkpoint.stem}: {tested(here)["mIoU"]:.2f} mIoU by PyTorch')
    for name, arguments in TARGETS.items():
        out = here / name
        if not described(out, checkpoint):
            given = [*arguments, '--shape', *SIZE, '--out', out, '--force']
            tool('deploy', ROWS[row], checkpoint, *given)
        if 'metric' not in described(out)['measured']:
            tool('test', ROWS[row], out, '--work-dir', here / 'by_artefact')
        print(f'  {name}: {described(out)["measured"]["metric"]["mIoU"]:.2f}', flush=True)


def report(work_dir: Path) -> None:
    """Print the table, write docs/camvid_deploy.json."""
    from nasvit_mm.deploy import time_artefacts

    kept = written(JSON)
    for row in ROWS:
        for seed, folder in seeds(work_dir / row).items():
            if not (folder / 'deployed').is_dir():
                continue
            here = folder / 'deployed' / last(folder).stem
            found = {name: described(here / name) for name in TARGETS}
            found = {k: v for k, v in found.items() if 'metric' in v.get('measured', {})}
            if not found or not tested(here):
                continue
            timed = time_artefacts([here / name for name in found], ROUNDS, THREADS)
            kept.setdefault(row, {})[str(seed)] = dict(
                checkpoint=here.name,
                pytorch=tested(here)['mIoU'],
                artefacts={
                    name: dict(
                        miou=about['measured']['metric']['mIoU'],
                        median_ms=times['median_ms'],
                        version=about['version'],
                        kept_in_float=about['origin'].get('kept_in_float', []),
                    )
                    for (name, about), times in zip(found.items(), timed)
                },
            )
    print(
        f'| model | checkpoint | artefact | test mIoU | to PyTorch | ms at {SIZE[0]} x {SIZE[1]} |'
    )
    print('|---|---|---|---|---|---|')
    for row, runs in kept.items():
        for seed, result in runs.items():
            for name, found in result['artefacts'].items():
                print(
                    f'| `{row}`, seed {seed} | {result["checkpoint"]} | {name} | '
                    f'{found["miou"]:.2f} | {found["miou"] - result["pytorch"]:+.2f} | '
                    f'{found["median_ms"]:.1f} |'
                )
    JSON.write_text(json.dumps(kept, indent=1) + '\n')


if __name__ == '__main__':
    main(__doc__, 'row', ROWS, ROOT / 'work_dirs/camvid', run, report)
