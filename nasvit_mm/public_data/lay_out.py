"""What becomes of the unpacked archives of a public data set: the layout that its config reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from nasvit_mm.errors import DataError
from nasvit_mm.own_data import find_layout, lay_out_boxes, with_palette

CAMVID_COLOURS = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
UNLABELLED = 11  # of SegNet's CamVid
QUALITY = 80  # of the JPEGs that CamVid's PNGs become
CIFAR_NAMES = 'airplane automobile bird cat deer dog frog horse ship truck'.split()
CIFAR_SIDE = 32
EVERY = 10  # class of Tiny ImageNet


def camvid(unpacked: Path, folder: Path) -> str:
    """Write img_dir/SPLIT/*.jpg and ann_dir/SPLIT/*.png, 0..10 and 255; digest of the labels."""
    (top,) = unpacked.glob('*/CamVid')
    hashes = {}
    for split in ('train', 'val', 'test'):
        for inner in ('img_dir', 'ann_dir'):
            (folder / inner / split).mkdir(parents=True)
        for path in sorted((top / split).glob('*.png')):
            with Image.open(path) as image:
                target = folder / 'img_dir' / split / f'{path.stem}.jpg'
                image.convert('RGB').save(target, quality=QUALITY, optimize=True)
            with Image.open(top / f'{split}annot' / path.name) as image:
                labels = np.array(image).astype(np.uint8)
            labels[labels == UNLABELLED] = 255
            target = folder / 'ann_dir' / split / path.name
            with_palette(labels, CAMVID_COLOURS).save(target, optimize=True)
            hashes[path.name] = hashlib.sha256(labels.tobytes()).hexdigest()
    return _digest(sorted(hashes.items()))


def bccd(unpacked: Path, folder: Path) -> str:
    """Write images/SPLIT/*.jpg and annotations/SPLIT.json; digest of the images."""
    (top,) = unpacked.glob('*/BCCD')
    lay_out_boxes(find_layout(top, 'det', layout='voc'), folder, ('RBC', 'WBC', 'Platelets'))
    images = sorted((folder / 'images').rglob('*.jpg'), key=lambda path: path.name)
    for path in images:  # links to what was unpacked
        os.replace(os.path.realpath(path), path)
    return _digest((path.name, _sha256(path)) for path in images)


def cifar10(unpacked: Path, folder: Path) -> None:
    """Write SPLIT/CLASS/*.png: the training batches as train, the test batch as val."""
    (top,) = unpacked.glob('cifar-10-batches-bin')
    batches = {'train': sorted(top.glob('data_batch_*.bin')), 'val': [top / 'test_batch.bin']}
    for split, files in batches.items():
        for name in CIFAR_NAMES:
            (folder / split / name).mkdir(parents=True)
        number = 0
        for path in files:
            rows = np.fromfile(path, np.uint8).reshape(-1, 1 + 3 * CIFAR_SIDE**2)
            for row in rows:
                pixels = row[1:].reshape(3, CIFAR_SIDE, CIFAR_SIDE).transpose(1, 2, 0)
                target = folder / split / CIFAR_NAMES[row[0]] / f'{number:05d}.png'
                Image.fromarray(pixels).save(target)
                number += 1


def tiny_imagenet20(unpacked: Path, folder: Path) -> str:
    """Write SPLIT/CLASS/*.JPEG of every tenth class; digest of the images."""
    (top,) = unpacked.glob('tiny-imagenet-200')
    classes = sorted((top / 'wnids.txt').read_text().split())[::EVERY]
    listed = (top / 'val' / 'val_annotations.txt').read_text().splitlines()
    class_of = {line.split('\t')[0]: line.split('\t')[1] for line in listed}
    moved = []
    for name in classes:
        sources = {
            'train': sorted((top / 'train' / name / 'images').glob('*.JPEG')),
            'val': [top / 'val/images' / image for image, of in class_of.items() if of == name],
        }
        for split, paths in sources.items():
            (folder / split / name).mkdir(parents=True)
            for path in paths:
                moved.append(folder / split / name / path.name)
                os.replace(path, moved[-1])
    return _digest((p.name, _sha256(p)) for p in sorted(moved, key=lambda path: path.name))


def ade20k(unpacked: Path, folder: Path) -> None:
    """Move images/ and annotations/ out of the archive's folder."""
    _move(unpacked / 'ADEChallengeData2016', folder, ('images', 'annotations'))


def coco(unpacked: Path, folder: Path) -> None:
    """Move train2017/, val2017/ and annotations/."""
    _move(unpacked, folder, ('train2017', 'val2017', 'annotations'))


def _move(top: Path, folder: Path, names: Iterable[str]) -> None:
    for name in names:
        if not (top / name).is_dir():
            raise DataError(f'the archive has no {name}/: it is another one')
        os.replace(top / name, folder / name)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(hashes: Iterable[tuple[str, str]]) -> str:
    """Return a digest of the names and contents of files."""
    return hashlib.sha256(''.join(f'{n} {h}\n' for n, h in hashes).encode()).hexdigest()
