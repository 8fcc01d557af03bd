"""The whole way on built-in pictures: data, training, evaluation, pictures of the result.

    python tools/demo.py [--quick]

Draws a small data set in ADE20K's layout, trains a NASViT subnet for segmentation with
configs/demo/nasvit_demo.py (ADE20K's config over that data), evaluates it beside a baseline that
never looks at the picture, and saves overlays.  No download, no GPU; some minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint
from PIL import Image, ImageDraw, ImageFont

import nasvit_mm.compat  # noqa: F401 (before mmseg: serves mmcv._ext)
from nasvit_mm.datasets import ADE20K_INDEX, write_ade20k

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'configs/demo/nasvit_demo.py'
UNLABELLED = 0  # in ADE20K's annotations; other values are class index + 1
NUM_VALUES = 151


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true',
                        help='a quarter of the training: shows that all works, not how well')
    parser.add_argument('--work-dir', default='work_dirs/demo',
                        help='folder of checkpoints, logs and pictures (%(default)s)')
    parser.add_argument('--pictures', type=int, default=8, help='overlays to draw (%(default)s)')
    args = parser.parse_args()
    start = time.time()

    cfg = Config.fromfile(ROOT / CONFIG)
    data = ROOT / cfg.data_root
    print(f'[1/4] demo data in {data}', flush=True)
    written = write_ade20k(data)
    print(f'      {written.counts["train"]} pictures to train on, {written.counts["val"]} to '
          f'validate on, {"drawn now" if written.fresh else "there already"}')

    work_dir = (ROOT / args.work_dir).resolve()
    iterations = cfg.train_cfg.max_iters // (4 if args.quick else 1)
    print(f'[2/4] training {cfg.model.backbone.type} {cfg.model.backbone.arch!r}, {iterations} '
          f'iterations of {cfg.train_dataloader.batch_size} pictures', flush=True)
    call('train', CONFIG, '--work-dir', str(work_dir), '--cfg-options',
         f'train_cfg.max_iters={iterations}', f'train_cfg.val_interval={iterations}')

    checkpoint = find_latest_checkpoint(str(work_dir))
    predictions = work_dir / 'predictions'
    print(f'[3/4] evaluating {checkpoint}', flush=True)
    call('test', CONFIG, checkpoint, '--work-dir', str(work_dir), '--out', str(predictions))

    print('[4/4] drawing overlays', flush=True)
    truth = read_maps(data / 'annotations/validation')
    predicted = read_maps(predictions)
    prior = label_prior(read_maps(data / 'annotations/training').values())
    ious = class_ious(truth, predicted)
    floor = np.nanmean(class_ious(truth, dict.fromkeys(truth, prior)))
    overlays, meta = work_dir / 'overlays', ade20k_meta()
    for name in sorted(truth)[:args.pictures]:
        picture = Image.open(data / 'images/validation' / f'{name}.jpg')
        draw_overlay(picture, truth[name], predicted[name], meta, overlays / f'{name}.png')

    print(f'\n{"class":<12}IoU')
    for name, index in ADE20K_INDEX.items():
        print(f'{name:<12}{100 * ious[index + 1]:5.1f}')
    print(f'\nmIoU {100 * np.nanmean(ious):.2f} on {len(truth)} validation pictures; '
          f'{100 * floor:.2f} by the baseline, '
          'the most frequent training label of each pixel place')
    print('(drawn pictures: these figures say nothing about ADE20K)')
    print(f'\noverlays     {overlays}\nlabel maps   {predictions}\ncheckpoint   {checkpoint}\n'
          f'logs         {work_dir}\n{time.time() - start:.0f} s in all')


def call(tool: str, *arguments: str) -> None:
    """Run tools/<tool>.py and show its progress lines; all of it where it fails."""
    command = [sys.executable, str(ROOT / 'tools' / f'{tool}.py'), *arguments]
    shown = ' '.join(str(Path(a).relative_to(ROOT)) if a.startswith(str(ROOT)) else a
                     for a in command[1:])
    print(f'      $ python {shown}', flush=True)
    lines = []
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            lines.append(line)
            if 'Iter(' in line:
                print('      ' + line[line.index('Iter('):].rstrip(), flush=True)
    if process.returncode:
        sys.stderr.writelines(lines[-40:])
        sys.exit(process.returncode)


def read_maps(folder: Path) -> dict[str, np.ndarray]:
    """Every annotation of a folder, (H, W) values by name."""
    return {path.stem: np.array(Image.open(path)) for path in sorted(folder.glob('*.png'))}


def label_prior(maps: Iterable[np.ndarray]) -> np.ndarray:
    """The most frequent value of each pixel place, (H, W)."""
    maps = list(maps)
    values = [v for v in np.unique(maps) if v != UNLABELLED]
    votes = [np.sum([m == value for m in maps], axis=0) for value in values]
    return np.array(values)[np.argmax(votes, axis=0)]


def class_ious(truth: dict[str, np.ndarray], predicted: dict[str, np.ndarray]) -> np.ndarray:
    """IoU by annotation value over all pictures, as mmseg's: NaN for what occurs nowhere."""
    counts = np.zeros((NUM_VALUES, NUM_VALUES), np.int64)
    for name, wanted in truth.items():
        valid = wanted != UNLABELLED
        pairs = wanted[valid].astype(np.int64) * NUM_VALUES + predicted[name][valid]
        counts += np.bincount(pairs, minlength=NUM_VALUES ** 2).reshape(counts.shape)
    hits = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - hits
    return np.divide(hits, union, out=np.full(NUM_VALUES, np.nan), where=union > 0)


def ade20k_meta() -> dict:
    """ADE20K's class names and palette, as mmseg has them."""
    with contextlib.redirect_stdout(io.StringIO()):  # OneDL's mmseg prints what it did not find
        from mmseg.datasets import ADE20KDataset
    return ADE20KDataset.METAINFO


def draw_overlay(picture: Image.Image, truth: np.ndarray, predicted: np.ndarray,
                 meta: dict, path: Path, scale: int = 2) -> None:
    """Save picture | annotation | prediction over a legend of the classes in them."""
    colours = np.array([(0, 0, 0), *meta['palette']], np.uint8)
    size = picture.width * scale, picture.height * scale
    pixels = np.array(picture.convert('RGB'))
    panels = {'picture': pixels}
    for title, values in (('annotation', truth), ('prediction', predicted)):
        mixed = 0.4 * pixels + 0.6 * colours[values]
        panels[title] = np.where(values[..., None] == UNLABELLED, pixels, mixed).astype(np.uint8)

    font = ImageFont.load_default(size=18)
    shown = [v for v in np.union1d(truth, predicted) if v != UNLABELLED]
    columns, row, line = 6, 30, 26  # of the legend; heights of title and line in pixels
    lines = -(-len(shown) // columns)
    sheet = Image.new('RGB', (3 * size[0], row + size[1] + lines * line + 8), 'white')
    draw = ImageDraw.Draw(sheet)
    for i, (title, panel) in enumerate(panels.items()):
        draw.text((i * size[0] + 6, 4), title, 'black', font)
        sheet.paste(Image.fromarray(panel).resize(size, Image.Resampling.NEAREST),
                    (i * size[0], row))
    for i, value in enumerate(shown):
        x = 6 + i % columns * (sheet.width // columns)
        y = row + size[1] + 6 + i // columns * line
        draw.rectangle((x, y, x + 28, y + 18), tuple(colours[value].tolist()), 'black')
        draw.text((x + 36, y - 2), meta['classes'][value - 1], 'black', font)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


if __name__ == '__main__':
    main()
