"""What a message of the data checks advises, followed to the letter, ends in data that pass."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image, ImageOps

import nasvit_mm.compat  # noqa: F401 (before mmseg)
from nasvit_mm.data import check_contents, check_data, check_files
from nasvit_mm.errors import UsageError
from tests.test_data.test_coco_json import around, config, content, found
from tests.test_data.test_coco_json import folder as coco_folder  # noqa: F401 (a fixture)
from tests.test_data.test_label_maps import LABELS, dataset, look, palette
from tests.test_data.test_label_maps import folder as maps  # noqa: F401 (a fixture)

Change = Callable[[Any], Any]


def boxes(change: Callable[[float, float, float, float], list[float]]) -> Change:
    """Return what changes every box [x, y, width, height] of a file."""
    return lambda data: [a.update(bbox=change(*a['bbox'])) for a in data['annotations']]


def polygons(change: Callable[[float, float], tuple[float, float]]) -> Change:
    """Return what changes every point of a file."""

    def all_of(data: dict[str, Any]) -> None:
        for one in data['annotations']:
            for polygon in one['segmentation']:
                points = [change(*polygon[i : i + 2]) for i in range(0, len(polygon), 2)]
                polygon[:] = [value for point in points for value in point]

    return all_of


def every(name: str, **changes: Any) -> Change:
    return lambda data: [item.update(copy.deepcopy(changes)) for item in data[name]]


def numbered(data: dict[str, Any]) -> None:
    for number, one in enumerate(data['annotations'], 1):
        one['id'] = number


def drawn(data: dict[str, Any]) -> None:
    for one in data['annotations']:
        one['segmentation'] = around(one['bbox'])


def twice(data: dict[str, Any]) -> None:
    data['categories'].append(dict(id=9, name='dog'))
    data['annotations'][0]['category_id'] = 9


def of_one_id(data: dict[str, Any]) -> None:
    data['annotations'][0]['category_id'] = 2
    del data['categories'][2]


def yolo(x: float, y: float, w: float, h: float) -> list[float]:
    return [(x + w / 2) / 40, (y + h / 2) / 30, w / 40, h / 30]


def not_yolo(x: float, y: float, w: float, h: float) -> list[float]:
    x, y, w, h = x * 40, y * 30, w * 40, h * 30  # multiply ..
    return [x - w / 2, y - h / 2, w, h]  # .. and take off half


ANNOTATIONS: dict[str, tuple[Change, str, Change]] = {
    'ids': (every('annotations', id=7), 'Number the annotations from 1', numbered),
    'names': (twice, 'or its boxes one id, and remove the other', of_one_id),
    'corners': (
        boxes(lambda x, y, w, h: [x, y, x + w, y + h]),
        'write .x1, y1, x2 - x1, y2 - y1',
        boxes(lambda x1, y1, x2, y2: [x1, y1, x2 - x1, y2 - y1]),
    ),
    'normalised': (
        boxes(lambda x, y, w, h: [x / 40, y / 30, w / 40, h / 30]),
        'multiply x and width by the image width, y and height by its height',
        boxes(lambda x, y, w, h: [x * 40, y * 30, w * 40, h * 30]),
    ),
    'yolo': (boxes(yolo), 'take off half its width and height', boxes(not_yolo)),
    'crowd': (every('annotations', iscrowd=1), 'Set iscrowd=0', every('annotations', iscrowd=0)),
    'iscrowd': (every('annotations', iscrowd='x'), 'Set 0 for', every('annotations', iscrowd=0)),
    'area': (
        every('annotations', area=-1),
        'width x height of the box',
        lambda data: [a.update(area=a['bbox'][2] * a['bbox'][3]) for a in data['annotations']],
    ),
    'sizes': (
        every('images', width=None),
        "Give each image 'width' and 'height'",
        every('images', width=40),
    ),
    'no categories': (
        lambda data: data.update(categories=[]),
        "Name the classes there, each with 'id' and 'name'",
        lambda data: data.update(categories=content()['categories']),
    ),
    'segmentation': (every('annotations', segmentation=[]), 'a list of polygons', drawn),
    'points by x': (polygons(lambda x, y: (y, x)), 'write x before y', drawn),
    'points from 0 to 1': (
        polygons(lambda x, y: (x / 40, y / 30)),
        'scale them by the image size',
        polygons(lambda x, y: (x * 40, y * 30)),
    ),
    'run lengths': (
        every('annotations', segmentation=dict(size=[30, 40], counts=[5])),
        r'dict\(size=\[height, width\], counts=',
        every('annotations', segmentation=dict(size=[30, 40], counts=[100, 1100])),
    ),
}


@pytest.mark.parametrize(('wrong', 'advice', 'right'), ANNOTATIONS.values(), ids=ANNOTATIONS)
def test_of_annotations(wrong: Change, advice: str, right: Change) -> None:
    data = content()
    wrong(data)
    with pytest.raises(UsageError, match=advice):
        found(data).raise_if_any()
    right(data)
    problems = found(data)
    problems.raise_if_any()
    assert not problems.warnings


def test_of_short_polygons() -> None:
    data = content()
    data['annotations'][0]['segmentation'].insert(0, [1, 2, 3, 4])
    with pytest.raises(UsageError, match='Remove those polygons'):
        found(data, 'val').raise_if_any()
    del data['annotations'][0]['segmentation'][0]
    found(data, 'val').raise_if_any()


# ---------------------------------------------------------------------- files
def save(**how: Any) -> Change:
    """Return what writes the mask a of a folder by a function of its labels."""
    ((suffix, image),) = how.items()
    return lambda folder: image(LABELS).save(folder / f'ann/a.{suffix}')


def at_its_size(folder: Path) -> None:
    with Image.open(folder / 'ann/a.png') as mask:
        resized = mask.resize((8, 6), Image.Resampling.NEAREST)
    resized.save(folder / 'ann/a.png')


def turned(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (6, 8)).save(folder / 'img/a.jpg', exif=exif.tobytes())
    Image.fromarray(np.rot90(LABELS, 1).copy()).save(folder / 'ann/a.png')


def upright(folder: Path) -> None:
    """Do what ``mogrify -auto-orient`` does; the mask is of the turned image."""
    with Image.open(folder / 'img/a.jpg') as image:
        ImageOps.exif_transpose(image).save(folder / 'img/a.jpg')
    save(png=Image.fromarray)(folder)


def renamed(folder: Path) -> None:
    (folder / 'img/a.JPG').rename(folder / 'img/a.jpg')


FILES: dict[str, tuple[Change, str, Change]] = {
    'colours': (
        save(png=lambda labels: Image.fromarray(np.dstack([labels] * 3))),
        'write colours as numbers',
        save(png=Image.fromarray),
    ),
    'real numbers': (
        lambda folder: Image.fromarray(LABELS.astype(np.float32)).save(
            folder / 'ann/a.png', format='TIFF'
        ),
        'write it as numpy.uint8',
        save(png=lambda labels: Image.fromarray(labels.astype(np.uint8))),
    ),
    'another size': (
        save(png=lambda labels: Image.fromarray(labels[:3].copy())),
        'resize it by nearest neighbour',
        at_its_size,
    ),
    'a lossy format': (
        lambda folder: Image.fromarray(LABELS).save(folder / 'ann/a.png', format='JPEG'),
        'Write masks as PNG from their source',
        save(png=Image.fromarray),
    ),
    'turned': (turned, 'mogrify -auto-orient', upright),
    'cut': (
        lambda folder: (folder / 'img/a.jpg').write_bytes(b''),
        'Replace them',
        lambda folder: Image.new('RGB', (8, 6)).save(folder / 'img/a.jpg'),
    ),
    'letters': (
        lambda folder: (folder / 'img/a.jpg').rename(folder / 'img/a.JPG'),
        'Rename those images to .jpg',
        renamed,
    ),
}


@pytest.mark.parametrize(('wrong', 'advice', 'right'), FILES.values(), ids=FILES)
def test_of_files(maps: Path, wrong: Change, advice: str, right: Change) -> None:  # noqa: F811
    wrong(maps)
    with pytest.raises(UsageError, match=advice):
        look(dataset(maps))
    right(maps)
    _, warnings = look(dataset(maps))
    assert not warnings


def test_of_images_as_stored(maps: Path) -> None:  # noqa: F811
    turned(maps)
    Image.fromarray(LABELS.T.copy()).save(maps / 'ann/a.png')
    with pytest.raises(UsageError, match="color_type='(.+?)'") as error:
        look(dataset(maps))
    look(dataset(maps, color_type=re.search("color_type='(.+?)'", str(error.value))[1]))


def test_of_palettes(maps: Path) -> None:  # noqa: F811
    palette(LABELS).save(maps / 'ann/a.png')
    with pytest.raises(UsageError) as error:
        look(dataset(maps, backend='cv2'))
    look(dataset(maps, backend=re.search("imdecode_backend='(.+?)'", str(error.value))[1]))


def test_of_label_0(maps: Path) -> None:  # noqa: F811
    data = dataset(maps)
    data.pipeline.transforms[1].reduce_zero_label = True
    with pytest.raises(UsageError, match='Leave it out .* and give reduce_zero_label=True to the'):
        look(data)
    look(dataset(maps, reduce_zero_label=True))


@pytest.mark.parametrize(
    ('text', 'right'),
    [
        ('a.jpg\nb.jpg\n', 'a\nb\n'),
        ('img/a\nimg/b\n', 'a\nb\n'),
        ('\ufeffa\n', 'a\n'),
        ('a\n\nb\n', 'a\nb\n'),
        ('a\nd\n', 'a\n'),
    ],
    ids=['suffixes', 'folders', 'byte order mark', 'empty line', 'missing'],
)
def test_of_lists(maps: Path, text: str, right: str) -> None:  # noqa: F811
    for written in (text, right):
        (maps / 'list.txt').write_text(written, encoding='utf-8')
        if written == text:
            with pytest.raises(UsageError, match=r'write a instead|without BOM|remove them'):
                check_files(dataset(maps, ann_file='list.txt'), 'train')
    assert check_files(dataset(maps, ann_file='list.txt'), 'train')


# ---------------------------------------------------------------------- configs
def followed(cfg: Config, error: Exception) -> None:
    """Set what a message says after ``--cfg-options`` or ``set``."""
    key, value = re.search(
        r'(?:--cfg-options|set) ([\w.]+)=(\S+?)[.,]?(?: |$)', str(error)
    ).groups()
    cfg.merge_from_dict({key: value})


def test_of_another_metric(coco_folder: Path) -> None:  # noqa: F811
    cfg = config(coco_folder)
    cfg.val_evaluator.ann_file = str(coco_folder / 'train.json')
    with pytest.raises(UsageError) as error:
        check_data(cfg, 'val')
    followed(cfg, error.value)
    check_data(cfg, 'val')


def test_of_swapped_sizes(coco_folder: Path) -> None:  # noqa: F811
    path = coco_folder / 'train.json'
    for sizes in (dict(width=30, height=40), dict(width=40, height=30)):
        data = json.loads(path.read_text())
        every('images', **sizes)(data)
        path.write_text(json.dumps(data))
        if sizes['width'] == 30:
            with pytest.raises(UsageError, match='Swap width and height there'):
                check_contents(config(coco_folder), 'train')
    check_contents(config(coco_folder), 'train')


def test_of_another_suffix_or_place(maps: Path) -> None:  # noqa: F811
    for image in list((maps / 'img').iterdir()):
        image.rename(image.with_suffix('.bmp'))
    kind = dict(type='mmseg.BaseSegDataset', data_prefix=dict(img_path='img', seg_map_path='ann'))
    cfg = Config(
        dict(
            default_scope='mmseg',
            train_dataloader=dict(dataset=dict(kind, data_root=str(maps / 'nowhere'))),
        )
    )
    with pytest.raises(UsageError, match='nowhere does not exist') as error:
        check_data(cfg, 'train')
    text = str(error.value)
    key = re.search(r'--cfg-options ([\w.]+)=/its/real/place', text)[1]
    cfg.merge_from_dict({key: str(maps)})
    with pytest.raises(UsageError, match="ends in '.jpg'") as error:
        check_data(cfg, 'train')
    followed(cfg, error.value)
    check_data(cfg, 'train')
    link = Path(re.search(r'ln -s /its/real/place (\S+?)\)', text)[1])
    link.symlink_to(maps)  # the other way
    cfg.merge_from_dict({key: str(link)})
    check_data(cfg, 'train')
