"""Go the whole way on built-in images, as nasvit-mm auto goes it on yours: from supernet to a page.

    nasvit-mm demo [--quick]

Draws two small data sets, trains a NASViT supernet on single objects (configs/demo/
nasvit_supernet.py), searches a backbone under a budget for the whole segmentation model
(nasvit_search.py), exports it, fine-tunes it on scenes in ADE20K's layout (nasvit_demo.py), writes
it for a runtime, evaluates that artefact beside a baseline that never looks at the image, saves
overlays, and ends with the page of nasvit-mm auto.  No download, no GPU; some minutes on two cores.
A demo that was stopped resumes where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from PIL import Image

from nasvit_mm.auto import About, Chain, Journey, Target, default_runtime, finish
from nasvit_mm.building import read_file
from nasvit_mm.cli import common
from nasvit_mm.config import find_config
from nasvit_mm.demo_data import ADE20K_INDEX, write_ade20k, write_patches
from nasvit_mm.files import replacing
from nasvit_mm.legend import coloured
from nasvit_mm.own_data import contact_sheet

CHECKOUT = Path(__file__).resolve().parents[2]
# Data and results lie in a checkout; of an installation, where the command was started.
ROOT = CHECKOUT if (CHECKOUT / 'configs').is_dir() else Path.cwd()
CONFIGS = Path('configs/demo')
UNLABELLED = 0  # in ADE20K's annotations; other values are class index + 1
NUM_VALUES = 151
IGNORED = 255  # among class indices


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
    chain = Chain(work_dir, ROOT, 9)
    chain.begin(f'demo data in {data.parent}')
    for written, what in (
        (write_patches(patches), 'scenes for patches'),
        (write_ade20k(data), 'scenes'),
    ):
        chain.stale |= written.fresh
        print(
            f'      {written.counts["train"]} {what} to train on, {written.counts["val"]} to '
            f'validate on, {"drawn now" if written.fresh else "there already"}'
        )

    steps = supernet.train_cfg.max_iters // part
    generations = max(2, search.algorithm.generations // part)
    iterations = task.train_cfg.max_iters // part
    limit, (height, width) = search.constraints[0].high / 1e9, search.input_size
    checkpoint = work_dir / 'supernet' / f'iter_{steps}.pth'
    predictions = work_dir / 'test/predictions'
    target = Target(default_runtime(), 'fp32', search.input_size, len(os.sched_getaffinity(0)))
    given = (
        '--cfg-options',
        f'evaluator.checkpoint={checkpoint}',
        f'algorithm.generations={generations}',
    )
    journey = Journey(
        work_dir,
        CONFIGS / 'nasvit_supernet.py',
        CONFIGS / 'nasvit_search.py',
        checkpoint,
        dict(
            supernet=f'training the supernet of {supernet.model.model.space.space}, {steps} steps '
            f'of {supernet.train_dataloader.batch_size} patches through 4 subnets',
            search=f'searching {generations * search.algorithm.population} candidates under '
            f'{limit:.2f} GMACs of backbone and head at {height} x {width}',
            export='exporting the best of the front',
            train=f'fine-tuning it for segmentation, {iterations} iterations of '
            f'{task.train_dataloader.batch_size} images',
            deploy=f'writing it for {target.runtime}',
            test='evaluating that artefact',
            benchmark=f"that artefact's latency, {target.threads} threads",
        ),
        dict(
            supernet=length(supernet, steps),
            search=given,
            export=given,
            train=length(task, iterations),
            test=('--out', str(predictions)),
        ),
    )
    sheet, meta = work_dir / 'data.png', ade20k_meta()
    draw_data(data, meta, sheet)
    about = About(
        dict(task='seg', data='built-in images', macs=f'at most {limit:.2f} GMACs'),
        [f'all is as {CONFIGS} says, for minutes of a CPU{": a quarter of it" * args.quick}'],
        'mIoU',
        sheet,
        ('# the same with images of yours', 'nasvit-mm auto DIR --task seg --macs 2G --hours 3'),
    )
    page = finish(chain, journey, about, target)

    truth = read_maps(data / 'annotations/validation')
    predicted = read_maps(predictions)
    prior = label_prior(read_maps(data / 'annotations/training').values())
    ious = class_ious(truth, predicted)
    floor = np.nanmean(class_ious(truth, dict.fromkeys(truth, prior)))
    overlays = work_dir / 'overlays'
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
        f'\nall in one   {page}\nthe search   {work_dir / "search/report.html"}\nthe model    '
        f'{work_dir / "export/README.md"}\noverlays     {overlays}\nlabel maps   {predictions}\n'
        f'checkpoint   {journey.checkpoint()}\nlogs         {work_dir}\n'
        f'{time.time() - start:.0f} s in all'
    )


def length(cfg: Config, iterations: int) -> tuple[str, ...]:
    """Return the flags for a training of so many iterations, with the schedule that fits them."""
    fit = ['--fit-schedule'] if iterations != cfg.train_cfg.max_iters else []
    given = (f'train_cfg.{key}={iterations}' for key in ('max_iters', 'val_interval'))
    return (*fit, '--cfg-options', *given)


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


def draw_data(data: Path, meta: dict, path: Path, number: int = 8) -> None:
    """Save some training images with their labels, over a legend of the classes in them."""
    places, shown = [], set()
    for file in sorted((data / 'annotations/training').glob('*.png'))[:number]:
        with Image.open(data / 'images/training' / f'{file.stem}.jpg') as opened:
            pixels = np.array(opened.convert('RGB'))
        labels = labels_of(np.array(Image.open(file)))
        places.append((file.stem, Image.fromarray(coloured(pixels, labels, meta['palette']))))
        shown |= set(np.unique(labels[labels != IGNORED]).tolist())
    legend = {meta['classes'][i]: meta['palette'][i] for i in sorted(shown)}
    with replacing(path) as draft:
        contact_sheet(places, legend).save(draft, format='PNG')


def labels_of(values: np.ndarray) -> np.ndarray:
    """Return class indices of annotation values."""
    return np.where(values == UNLABELLED, IGNORED, values.astype(np.int64) - 1)


def draw_overlay(
    image: Image.Image,
    truth: np.ndarray,
    predicted: np.ndarray,
    meta: dict,
    path: Path,
    scale: int = 2,
) -> None:
    """Save image | annotation | prediction over a legend of the classes in them."""
    pixels = np.array(image.convert('RGB'))
    panels = {'image': pixels}
    for title, values in (('annotation', truth), ('prediction', predicted)):
        panels[title] = coloured(pixels, labels_of(values), meta['palette'], opacity=0.6)
    size = image.width * scale, image.height * scale
    places = [
        (title, Image.fromarray(panel).resize(size, Image.Resampling.NEAREST))
        for title, panel in panels.items()
    ]
    shown = [v - 1 for v in np.union1d(truth, predicted) if v != UNLABELLED]
    legend = {meta['classes'][i]: meta['palette'][i] for i in shown}
    sheet = contact_sheet(places, legend, columns=3)
    with replacing(path) as draft:
        sheet.save(draft, format='PNG')
