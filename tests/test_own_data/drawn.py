"""Small drawn data in the layouts that people have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 64
NAMES = ('sky', 'grass', 'cup')


def scene(i: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int, int]]:
    """An image, its labels 0..2, and the box of its cup [x, y, width, height]."""
    rng = np.random.default_rng(i)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[HEIGHT // 2 :] = 1
    x, y = int(rng.integers(4, WIDTH - 20)), int(rng.integers(4, HEIGHT - 16))
    labels[y : y + 12, x : x + 14] = 2
    colours = np.array([(90, 140, 220), (80, 160, 70), (200, 40, 40)])
    noise = rng.integers(-20, 20, (HEIGHT, WIDTH, 3))
    return (colours[labels] + noise).clip(0, 255).astype(np.uint8), labels, (x, y, 14, 12)


def save(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')
    return path


def scenes(number: int = 6) -> Iterator[tuple[str, np.ndarray, np.ndarray, tuple]]:
    for i in range(number):
        yield f'{i:03d}', *scene(i)


def folders(root: Path, values: object = None, number: int = 6, masks: str = 'masks') -> Path:
    """images/ and masks/; ``values`` maps labels 0..2 to what the files hold."""
    for name, image, labels, _ in scenes(number):
        save(root / 'images' / f'{name}.jpg', image)
        save(root / masks / f'{name}.png', labels if values is None else np.array(values)[labels])
    return root


def voc(root: Path) -> Path:
    for name, image, labels, _ in scenes():
        save(root / 'JPEGImages' / f'{name}.jpg', image)
        palette = Image.frombytes('P', (WIDTH, HEIGHT), labels.tobytes())
        palette.putpalette([0, 0, 255, 0, 255, 0, 255, 0, 0])
        save(root / 'SegmentationClass' / f'{name}.png', palette)
    write(root / 'ImageSets/Segmentation/train.txt', '000\n001\n002\n003\n')
    write(root / 'ImageSets/Segmentation/val.txt', '004\n005\n')
    write(root / 'ImageSets/Segmentation/trainval.txt', '000\n001\n002\n003\n004\n005\n')
    return root


def cityscapes(root: Path) -> Path:
    for name, image, labels, _ in scenes():
        where = ('train' if name < '004' else 'val') + f'/bonn/bonn_{name}_000019'
        save(root / f'leftImg8bit/{where}_leftImg8bit.png', image)
        ids = np.array([23, 7, 26], np.uint8)[labels]
        save(root / f'gtFine/{where}_gtFine_labelIds.png', ids)
    return root


def ade20k(root: Path) -> Path:
    for name, image, labels, _ in scenes():
        split = 'training' if name < '004' else 'validation'
        save(root / f'images/{split}/{name}.jpg', image)
        save(root / f'annotations/{split}/{name}.png', np.array([3, 10, 0], np.uint8)[labels])
    return root


def beside_splits(root: Path) -> Path:
    """train/ beside trainannot/, as SegNet's CamVid."""
    for name, image, labels, _ in scenes():
        split = 'train' if name < '004' else 'val'
        save(root / f'{split}/{name}.png', image)
        save(root / f'{split}annot/{name}.png', labels)
    return root


def one_folder(root: Path) -> Path:
    for name, image, labels, _ in scenes():
        save(root / f'{name}.jpg', image)
        save(root / f'{name}_seg.png', labels)
    return root


def in_splits(root: Path) -> Path:
    """train/images and train/masks, the splits in folders and the images of two suffixes."""
    for name, image, labels, _ in scenes():
        split = 'train' if name < '004' else 'valid'
        save(root / f'{split}/images/{name}.{"jpg" if name < "003" else "png"}', image)
        save(root / f'{split}/masks/{name}.png', labels)
    return root


def voc_xml(root: Path, text: str = '{box}') -> Path:
    for name, image, _, (x, y, w, h) in scenes():
        save(root / 'JPEGImages' / f'{name}.jpg', image)
        box = (
            f'<object><name>cup</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>'
            f'<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>'
        )
        write(
            root / 'Annotations' / f'{name}.xml', f'<annotation>{text.format(box=box)}</annotation>'
        )
    return root


def yolo(root: Path, line: str = '0 {cx} {cy} {w} {h}') -> Path:
    for name, image, _, (x, y, w, h) in scenes():
        split = 'train' if name < '004' else 'valid'
        save(root / split / 'images' / f'{name}.jpg', image)
        box = dict(cx=(x + w / 2) / WIDTH, cy=(y + h / 2) / HEIGHT, w=w / WIDTH, h=h / HEIGHT)
        write(root / split / 'labels' / f'{name}.txt', line.format(**box) + '\n')
    write(root / 'data.yaml', 'train: ../train/images\nval: ../valid/images\nnames: [cup]\n')
    return root


def coco(root: Path, number: int = 6, **changes: object) -> Path:
    content: dict = dict(images=[], annotations=[], categories=[dict(id=3, name='cup')])
    for name, image, _, (x, y, w, h) in scenes(number):
        save(root / 'images' / f'{name}.jpg', image)
        i = int(name) + 1
        content['images'].append(dict(id=i, file_name=f'{name}.jpg', width=WIDTH, height=HEIGHT))
        polygon = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        one = dict(id=i, image_id=i, category_id=3, bbox=[x, y, w, h], area=w * h, iscrowd=0)
        content['annotations'].append(dict(one, segmentation=polygon, **changes))
    write(root / 'boxes.json', json.dumps(content))
    return root


def classes(root: Path, number: int = 8) -> Path:
    for name, image, _, _ in scenes(number):
        save(root / ('cat', 'dog')[int(name) % 2] / f'{name}.jpg', image)
    return root


def divided_classes(root: Path) -> Path:
    """Each class with its own train/ and val/."""
    for name, image, _, _ in scenes(8):
        split = 'train' if int(name) < 6 else 'val'
        save(root / ('cat', 'dog')[int(name) % 2] / split / f'{name}.jpg', image)
    return root
