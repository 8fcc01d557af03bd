"""Go the whole way on built-in images: supernet, search, export, fine-tuning, mIoU, overlays.

    nasvit-mm demo [--quick]

Draws two small data sets, trains a NASViT supernet on single objects (configs/demo/
nasvit_supernet.py), searches a backbone under a budget for the whole segmentation model
(nasvit_search.py), exports it, fine-tunes it on scenes in ADE20K's layout (nasvit_demo.py),
evaluates it beside a baseline that never looks at the image, and saves overlays.  No download, no
GPU; some minutes on two cores.  A demo that was stopped resumes where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint
from PIL import Image, ImageDraw, ImageFont

from nasvit_mm.building import read_file
from nasvit_mm.cli import common
from nasvit_mm.config import find_config
from nasvit_mm.demo_data import ADE20K_INDEX, write_ade20k, write_patches
from nasvit_mm.files import replacing
from nasvit_mm.legend import with_legend
from nasvit_mm.runtime import with_starter

CHECKOUT = Path(__file__).resolve().parents[2]
# Data and results lie in a checkout; of an installation, where the command was started.
ROOT = CHECKOUT if (CHECKOUT / 'configs').is_dir() else Path.cwd()
CONFIGS = Path('configs/demo')
SHOWN = re.compile(r'Iter\(|^[┃│].*|Batch norm.*')  # of what the tools print
# With these glibc keeps the memory of freed maps, instead of asking the system for new pages in
# every step, a fifth of the fine-tuning's time on a CPU.
ENVIRONMENT = {
    **os.environ,
    'COLUMNS': '150',
    'MALLOC_MMAP_THRESHOLD_': str(2 * 10**9),
    'MALLOC_TRIM_THRESHOLD_': str(4 * 10**9),
    'MALLOC_TOP_PAD_': str(2**28),
}
UNLABELLED = 0  # in ADE20K's annotations; other values are class index + 1
NUM_VALUES = 151


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--quick',
        action='store_true',
        help='a quarter of the work: shows that all runs, not how well',
    )
    parser.add_argument(
        '--work-dir',
        help='folder of checkpoints, logs and images (work_dirs/demo, work_dirs/demo_quick)',
    )
    parser.add_argument(
        '--images', '--pictures', type=int, default=8, help='overlays to draw (%(default)s)'
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    start, part = time.time(), 4 if args.quick else 1
    work_dir = (ROOT / (args.work_dir or f'work_dirs/demo{"_quick" * args.quick}')).resolve()

    task = read_file(find_config(CONFIGS / 'nasvit_demo.py'))
    supernet = read_file(find_config(CONFIGS / 'nasvit_supernet.py'))
    search = read_file(find_config(CONFIGS / 'nasvit_search.py'))
    data, patches = ROOT / task.data_root, ROOT / supernet.data_root
    print(f'[1/6] demo data in {data.parent}', flush=True)
    for written, what in (
        (write_patches(patches), 'scenes for patches'),
        (write_ade20k(data), 'scenes'),
    ):
        print(
            f'      {written.counts["train"]} {what} to train on, {written.counts["val"]} to '
            f'validate on, {"drawn now" if written.fresh else "there already"}'
        )

    steps = supernet.train_cfg.max_iters // part
    print(
        f'[2/6] training the supernet of {supernet.model.model.space.space}, {steps} steps of '
        f'{supernet.train_dataloader.batch_size} patches through 4 subnets',
        flush=True,
    )
    call(
        'train',
        CONFIGS / 'nasvit_supernet.py',
        '--work-dir',
        work_dir / 'supernet',
        '--resume',
        *length(supernet, steps),
    )

    generations = max(2, search.algorithm.generations // part)
    limit, (height, width) = search.constraints[0].high / 1e9, search.input_size
    print(
        f'[3/6] searching {generations * search.algorithm.population} candidates under '
        f'{limit:.2f} GMACs of backbone and head at {height} x {width}',
        flush=True,
    )
    given = [
        f'evaluator.checkpoint={work_dir}/supernet/iter_{steps}.pth',
        f'algorithm.generations={generations}',
    ]
    call(
        'search',
        CONFIGS / 'nasvit_search.py',
        '--work-dir',
        work_dir / 'search',
        '--resume',
        '--cfg-options',
        *given,
    )

    print('[4/6] exporting the best of the front', flush=True)
    call(
        'export',
        CONFIGS / 'nasvit_search.py',
        '--work-dir',
        work_dir / 'search',
        '--out',
        work_dir / 'export',
        '--cfg-options',
        *given,
    )

    exported, iterations = work_dir / 'export/config.py', task.train_cfg.max_iters // part
    print(
        f'[5/6] fine-tuning it for segmentation, {iterations} iterations of '
        f'{task.train_dataloader.batch_size} images',
        flush=True,
    )
    call('train', exported, '--resume', *length(task, iterations))

    checkpoint = find_latest_checkpoint(str(work_dir / 'export/train'))
    predictions = work_dir / 'predictions'
    print(f'[6/6] evaluating {checkpoint}, drawing overlays', flush=True)
    call('test', exported, checkpoint, '--work-dir', work_dir / 'test', '--out', predictions)
    truth = read_maps(data / 'annotations/validation')
    predicted = read_maps(predictions)
    prior = label_prior(read_maps(data / 'annotations/training').values())
    ious = class_ious(truth, predicted)
    floor = np.nanmean(class_ious(truth, dict.fromkeys(truth, prior)))
    overlays, meta = work_dir / 'overlays', ade20k_meta()
    for name in sorted(truth)[: args.images]:
        image = Image.open(data / 'images/validation' / f'{name}.jpg')
        draw_overlay(image, truth[name], predicted[name], meta, overlays / f'{name}.png')

    print(f'\n{"class":<12}IoU')
    for name, index in ADE20K_INDEX.items():
        print(f'{name:<12}{100 * ious[index + 1]:5.1f}')
    print(
        f'\nmIoU {100 * np.nanmean(ious):.2f} on {len(truth)} validation images; '
        f'{100 * floor:.2f} by the baseline, '
        'the most frequent training label of each pixel place'
    )
    print('(drawn images: these figures say nothing about ADE20K)')
    print(
        f'\nthe search   {work_dir / "search/report.html"}\nthe model    '
        f'{work_dir / "export/README.md"}\noverlays     {overlays}\nlabel maps   {predictions}\n'
        f'checkpoint   {checkpoint}\nlogs         {work_dir}\n{time.time() - start:.0f} s in all'
    )


def length(cfg: Config, iterations: int) -> list[str]:
    """Return the flags for a training of so many iterations, with the schedule that fits them."""
    fit = ['--fit-schedule'] if iterations != cfg.train_cfg.max_iters else []
    given = (f'train_cfg.{key}={iterations}' for key in ('max_iters', 'val_interval'))
    return [*fit, '--cfg-options', *given]


def call(*command: str | Path) -> None:
    """Run a command of nasvit-mm and show its progress lines; all of it where it fails."""
    command = tuple(map(str, command))
    shown = ' '.join(
        str(Path(a).relative_to(ROOT)) if a.startswith(str(ROOT)) else a for a in command
    )
    print(f'      $ nasvit-mm {shown}', flush=True)
    lines = []
    with subprocess.Popen(
        [sys.executable, '-m', 'nasvit_mm.cli', *command],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**ENVIRONMENT, **with_starter()},
    ) as process:
        for line in process.stdout:
            lines.append(line)
            if found := SHOWN.search(line):
                print('      ' + line[found.start() :].rstrip(), flush=True)
    if process.returncode:
        sys.stderr.writelines(lines[-40:])
        sys.exit(process.returncode)


def read_maps(folder: Path) -> dict[str, np.ndarray]:
    """Read every annotation of a folder: name -> (H, W) values."""
    return {path.stem: np.array(Image.open(path)) for path in sorted(folder.glob('*.png'))}


def label_prior(maps: Iterable[np.ndarray]) -> np.ndarray:
    """Return the most frequent value of each pixel place, (H, W)."""
    maps = list(maps)
    values = [v for v in np.unique(maps) if v != UNLABELLED]
    votes = [np.sum([m == value for m in maps], axis=0) for value in values]
    return np.array(values)[np.argmax(votes, axis=0)]


def class_ious(truth: dict[str, np.ndarray], predicted: dict[str, np.ndarray]) -> np.ndarray:
    """IoU by annotation value over all images, as mmseg's: NaN for what occurs nowhere."""
    counts = np.zeros((NUM_VALUES, NUM_VALUES), np.int64)
    for name, wanted in truth.items():
        valid = wanted != UNLABELLED
        pairs = wanted[valid].astype(np.int64) * NUM_VALUES + predicted[name][valid]
        counts += np.bincount(pairs, minlength=NUM_VALUES**2).reshape(counts.shape)
    hits = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - hits
    return np.divide(hits, union, out=np.full(NUM_VALUES, np.nan), where=union > 0)


def ade20k_meta() -> dict:
    """ADE20K's class names and palette, as mmseg has them."""
    with contextlib.redirect_stdout(io.StringIO()):  # OneDL's mmseg prints what it did not find
        from mmseg.datasets import ADE20KDataset
    return ADE20KDataset.METAINFO


def draw_overlay(
    image: Image.Image,
    truth: np.ndarray,
    predicted: np.ndarray,
    meta: dict,
    path: Path,
    scale: int = 2,
) -> None:
    """Save image | annotation | prediction over a legend of the classes in them."""
    colours = np.array([(0, 0, 0), *meta['palette']], np.uint8)
    size = image.width * scale, image.height * scale
    pixels = np.array(image.convert('RGB'))
    panels = {'image': pixels}
    for title, values in (('annotation', truth), ('prediction', predicted)):
        mixed = 0.4 * pixels + 0.6 * colours[values]
        panels[title] = np.where(values[..., None] == UNLABELLED, pixels, mixed).astype(np.uint8)

    font, row = ImageFont.load_default(size=18), 30  # of the titles, and their height in pixels
    sheet = Image.new('RGB', (3 * size[0], row + size[1]), 'white')
    draw = ImageDraw.Draw(sheet)
    for i, (title, panel) in enumerate(panels.items()):
        draw.text((i * size[0] + 6, 4), title, 'black', font)
        sheet.paste(
            Image.fromarray(panel).resize(size, Image.Resampling.NEAREST), (i * size[0], row)
        )
    shown = [v for v in np.union1d(truth, predicted).tolist() if v != UNLABELLED]
    entries = [(meta['classes'][v - 1], tuple(colours[v].tolist())) for v in shown]
    sheet = with_legend(sheet, entries)
    with replacing(path) as draft:
        sheet.save(draft, format='PNG')
