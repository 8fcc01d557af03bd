"""COCO JSON is compared with its format and its images, before anything is built."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config
from PIL import Image

from nasvit_mm.data import PassCache, Problems, check_categories, check_contents, check_data
from nasvit_mm.data.coco_complete import complete, complete_coco
from nasvit_mm.data.coco_files import coco_set
from nasvit_mm.data.coco_json import check_coco, read_coco
from nasvit_mm.errors import DataError

POLYGON = [[2, 2, 12, 2, 12, 10, 2, 10]]
RUNS = dict(size=[30, 40], counts=[400, 200, 600])


def around(box: list[float]) -> list[list[float]]:
    """Return the polygon of a box."""
    x, y, w, h = box
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def content() -> dict[str, Any]:
    """Two images of 40 x 30, two categories, four boxes."""
    boxes = [[2, 2, 10, 8], [20, 4, 9, 20], [5, 20, 30, 6], [30, 15, 10, 15]]
    return dict(
        images=[dict(id=i, file_name=f'{i}.jpg', width=40, height=30) for i in (1, 2)],
        categories=[dict(id=i, name=name) for i, name in enumerate(('cat', 'dog'), 1)],
        annotations=[
            dict(
                id=k + 1,
                image_id=1 + k % 2,
                category_id=1 + k // 2,
                bbox=box,
                area=box[2] * box[3],
                iscrowd=0,
                segmentation=around(box),
            )
            for k, box in enumerate(boxes)
        ],
    )


def found(data: dict[str, Any], split: str = 'train', masks: bool = True) -> Problems:
    problems = Problems()
    check_coco('a.json', data, split, problems, masks=masks)
    return problems


def message(data: dict[str, Any], **kwargs: Any) -> str:
    with pytest.raises(DataError) as error:
        found(data, **kwargs).raise_if_any()
    return str(error.value)


def each(**changes: Any) -> Callable[[dict], None]:
    return lambda data: [a.update(copy.deepcopy(changes)) for a in data['annotations']]


def first(**changes: Any) -> Callable[[dict], None]:
    return lambda data: data['annotations'][0].update(changes)


def corners(data: dict[str, Any]) -> None:
    for one in data['annotations']:
        x, y, w, h = one['bbox']
        one['bbox'] = [x, y, x + w + 5, y + h]


def normalised(data: dict[str, Any]) -> None:
    for one in data['annotations']:
        one['bbox'] = [v / s for v, s in zip(one['bbox'], (40, 30, 40, 30))]


def test_sound_annotations_pass() -> None:
    problems = found(content())
    assert not problems and not problems.warnings


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (each(id=1), r"'id' of annotations in a.json that occur more than once: id 1 \(4 times\)"),
        (lambda d: d['images'][1].update(id=1), "'id' of images .* id 1 .2 times"),
        (lambda d: d['categories'][1].update(id=1), "'id' of categories"),
        (first(image_id='1'), "'image_id' is not among .*annotation 1: image_id = '1'"),
        (first(category_id='1'), "annotation 1: category_id = '1'.*not a text"),
        (first(category_id=9), 'annotation 1: category_id = 9. .*ids of categories: 1, 2'),
        (first(bbox=[2, 2, math.nan, 8]), r'four finite numbers.*annotation 1: bbox = \[2, 2, nan'),
        (first(bbox=[2, 2, -4, 8]), r'negative width .*annotation 1: bbox = \[2, 2, -4, 8'),
        (first(bbox=[50, 2, 4, 8]), r'outside their image: annotation 1: .* 1.jpg of 40 x 30'),
        (first(bbox=7), 'annotation 1: bbox = 7'),
        (lambda d: d['annotations'][0].pop('bbox'), 'annotation 1: no bbox'),
        (corners, r'look like \[x1, y1, x2, y2\].*write \[x1, y1, x2 - x1, y2 - y1\]'),
        (normalised, 'all between 0 and 1: annotation 1: .*multiply'),
        (first(iscrowd=5), 'annotation 1: iscrowd = 5. Set 0'),
        (first(area=math.nan), 'annotation 1: area = nan'),
        (each(iscrowd=1), 'a box to train by: a.json: all its 4 annotations have iscrowd=1'),
        (lambda d: d.update(annotations=[]), 'a box to train by: a.json: it has no annotations'),
        (lambda d: d.update(images=[]), "empty lists in a.json: 'images'"),
        (lambda d: d['images'][0].pop('width'), r'image 1 \(1.jpg\): no width, height = 30'),
        (lambda d: d['images'][0].pop('file_name'), 'image 1: no file_name'),
        (lambda d: d['categories'][0].pop('name'), 'category 1: no name'),
        (lambda d: d['annotations'].append('x'), r"annotations\[4\] = 'x'"),
        (each(segmentation=[]), r'usable segmentation.* \(4\): annotation 1: segmentation = \[\]'),
        (each(segmentation=POLYGON[0]), 'A segmentation is a list of polygons'),
        (first(segmentation=[[2, 2, 9, 9]]), 'annotation 1: segmentation'),
        (first(segmentation=dict(size=[5, 5], counts=[25])), r'\[5, 5\] in an image of \[30, 40\]'),
        (lambda d: d['annotations'][0].pop('segmentation'), 'annotation 1: no segmentation'),
    ],
)
def test_refused(change: Callable[[dict], None], expected: str) -> None:
    data = content()
    change(data)
    with pytest.raises(DataError, match=expected):
        found(data).raise_if_any()


def test_five_of_each_kind_are_named() -> None:
    data = content()
    data['annotations'] = [
        dict(data['annotations'][0], id=k, bbox=[0, 0, -1, 2], area=-1) for k in range(1, 9)
    ]
    kinds = message(data).splitlines()
    assert len(kinds) == 2
    assert all('(8): annotation 1:' in k and 'annotation 5:' in k for k in kinds)
    assert all('annotation 6' not in k and 'and 3 more. ' in k for k in kinds)


def test_whole_floats_are_ids_and_run_lengths_are_segmentations() -> None:
    data = content()
    each(segmentation=RUNS)(data)
    for one in data['annotations']:
        one['image_id'] = float(one['image_id'])
    assert not found(data)


def test_segmentations_are_needed_by_masks_only() -> None:
    data = content()
    each(segmentation=7)(data)
    assert not found(data, masks=False) and found(data)


def by_polygons(data: dict[str, Any], split: str = 'train') -> Problems:
    problems = Problems()
    check_coco('a.json', data, split, problems, masks=True, polygons=True)
    return problems


@pytest.mark.parametrize(
    ('load', 'polygons'),
    [
        (dict(with_mask=True, poly2mask=False), True),
        (dict(with_mask=True), False),
        (dict(with_bbox=True, poly2mask=False), False),
    ],
)
def test_whether_polygons_alone_are_read(load: dict, polygons: bool) -> None:
    steps = [dict(type='LoadAnnotations', **load)]
    one = coco_set('train', dict(type='mmdet.CocoDataset', ann_file='a.json', pipeline=steps))
    assert one is not None and one.polygons is polygons


def test_run_lengths_that_only_polygons_are_read_of() -> None:
    data = content()
    first(segmentation=RUNS)(data)
    assert 'poly2mask' not in str(found(data).warnings)
    problems = by_polygons(data)
    assert not problems and re.search(
        r'1 of 4 segmentations .* annotation 1; set poly2mask=True', str(problems.warnings)
    )
    assert not by_polygons(data, 'val').warnings  # whose metric reads the file itself
    first(iscrowd=1)(data)  # ignored in any case
    assert not by_polygons(data).warnings
    each(segmentation=RUNS)(data)
    with pytest.raises(DataError, match=r'nothing is left.*all 3 annotations.*Set poly2mask=True'):
        by_polygons(data).raise_if_any()


@pytest.mark.parametrize(
    ('change', 'split', 'expected'),
    [
        (lambda d: d.update(annotations=[]), 'val', 'metric will be undefined'),
        (lambda d: d['annotations'][0].pop('area'), 'train', "1 of 4 .* have no 'area'"),
        (lambda d: d['annotations'][0].pop('iscrowd'), 'train', "1 of 4 .* have no 'iscrowd'"),
        (
            first(bbox=[35, 2, 9, 8], segmentation=RUNS),
            'train',
            '1 of 4 boxes in a.json leave their image',
        ),
        (
            first(bbox=[2, 2, 9, 0], segmentation=RUNS),
            'train',
            'narrower than a pixel.* annotations 1$',
        ),
        (each(category_id=1), 'train', 'no box of a.json is of the categories dog'),
    ],
)
def test_warned_of(change: Callable[[dict], None], split: str, expected: str) -> None:
    data = content()
    change(data)
    problems = found(data, split)
    assert not problems
    (line,) = problems.warnings
    assert re.search(expected, line)


# ---------------------------------------------------------------------- whole files
@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (b'', 'is empty'),
        (b'\xd2\x00\xff', 'is no text'),
        (json.dumps(content()).encode()[:300], 'is no whole JSON.*ends too early'),
        (b'[]', 'holds a list'),
        (b'{"images": []}', "holds nothing as 'categories'.*its keys: images"),
        (b'{"images": {}, "categories": [], "annotations": []}', "holds dict as 'images'"),
    ],
)
def test_files_that_are_no_coco(tmp_path: Path, text: bytes, expected: str) -> None:
    path = tmp_path / 'a.json'
    path.write_bytes(text)
    with pytest.raises(DataError, match=f'a.json.*{expected}'):
        read_coco(path)


VALUES = [None, True, -1, 0, 10**400, 1e400, math.nan, 'x', '', [], [[]], {}, [None], {'a': 1}]


@pytest.mark.parametrize('name', ['images', 'categories', 'annotations'])
def test_no_malformed_value_is_a_traceback(name: str) -> None:
    for key in content()[name][0]:
        for value in VALUES:
            data = content()
            data[name][0][key] = value
            found(data)  # returns, whatever it finds
            del data[name][0][key]
            found(data)


# ---------------------------------------------------------------------- files and images
@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / 'img').mkdir()
    for split in ('train', 'val'):
        data = content()
        for image in data['images']:
            image['file_name'] = f'{split}{image["file_name"]}'
            Image.new('RGB', (40, 30)).save(tmp_path / 'img' / image['file_name'])
        (tmp_path / f'{split}.json').write_text(json.dumps(data))
    return tmp_path


def config(folder: Path) -> Config:
    def loader(split: str) -> dict[str, Any]:
        return dict(
            dataset=dict(
                type='mmdet.CocoDataset',
                data_root=str(folder),
                ann_file=f'{split}.json',
                data_prefix=dict(img='img'),
                pipeline=[dict(type='LoadImageFromFile')],
            )
        )

    return Config(
        dict(
            default_scope='mmengine',
            work_dir=str(folder / 'work'),
            train_dataloader=loader('train'),
            val_dataloader=loader('val'),
            val_evaluator=dict(type='CocoMetric', ann_file=str(folder / 'val.json')),
        )
    )


def test_sizes_are_those_of_the_files(folder: Path) -> None:
    check_contents(config(folder), 'train', 'val')
    Image.new('RGB', (20, 15)).save(folder / 'img/val1.jpg')
    with pytest.raises(DataError, match=r'val1.jpg is 20 x 15, in the JSON \(image 1\) 40 x 30'):
        check_contents(config(folder), 'train')
        check_contents(Config(dict(config(folder), work_dir=None)), 'val')


def test_turned_images_are_refused_and_the_remedy_works(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (40, 30)).save(folder / 'img/train1.jpg', exif=exif.tobytes())
    cfg = config(folder)
    with pytest.raises(DataError, match='train1.jpg .orientation 6.*color_ignore_orientation'):
        check_contents(cfg, 'train')
    cfg.train_dataloader.dataset.pipeline[0].color_type = 'color_ignore_orientation'
    check_contents(cfg, 'train')


def test_a_second_run_reads_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = content()
    del data['annotations'][0]['area']
    for image in data['images']:
        image['file_name'] = f'train{image["file_name"]}'
    (folder / 'train.json').write_text(json.dumps(data))
    check_contents(config(folder), 'train')

    def no(*args: Any) -> None:
        raise AssertionError('read again')

    lines = []
    monkeypatch.setattr('nasvit_mm.data.coco_files.read_coco', no)
    monkeypatch.setattr('nasvit_mm.data.report.print_log', lambda line, *a, **k: lines.append(line))
    check_contents(config(folder), 'train')
    assert len(lines) == 1 and "no 'area'" in lines[0]  # the warning is said again
    (folder / 'train.json').write_text('')
    with pytest.raises(AssertionError, match='read again'):
        check_contents(config(folder), 'train')


def test_it_can_be_skipped(folder: Path) -> None:
    (folder / 'train.json').write_text('')
    cfg = config(folder)
    cfg.default_hooks = dict(check_data=dict(type='nasvit_mm.CheckData'))
    check_contents(cfg, 'train', skip=True)
    assert cfg.default_hooks.check_data.contents is False


def test_the_metric_reads_the_loaders_file(folder: Path) -> None:
    cfg = config(folder)
    check_data(cfg, 'train', 'val')
    cfg.val_evaluator.ann_file = str(folder / 'train.json')
    with pytest.raises(DataError, match=r'val_evaluator.ann_file is .*train.json, .* .*val.json'):
        check_data(cfg, 'train')


@pytest.mark.parametrize('wrap', ['RepeatDataset', 'ClassBalancedDataset', 'ConcatDataset'])
def test_one_of_several_metrics_reads_another_file_than_a_wrapped_set(
    folder: Path, wrap: str
) -> None:
    cfg = config(folder)
    inner = cfg.val_dataloader.dataset
    many = wrap == 'ConcatDataset'
    cfg.val_dataloader.dataset = dict(
        type=wrap, **(dict(datasets=[inner]) if many else dict(dataset=inner))
    )
    cfg.val_evaluator = [cfg.val_evaluator, dict(type='DumpResults', out_file_path='a.pkl')]
    check_data(cfg, 'val')
    cfg.val_evaluator[0].ann_file = str(folder / 'train.json')
    where = 'dataset.datasets.0' if many else 'dataset.dataset'
    with pytest.raises(DataError, match=f'while val_dataloader.{where}.ann_file is .*val.json'):
        check_data(cfg, 'val')


@pytest.mark.parametrize('kind', ['mmdet.CityscapesDataset', 'mmdet.iSAIDDataset'])
def test_data_sets_derived_from_coco_are_looked_at(folder: Path, kind: str) -> None:
    cfg = config(folder)
    cfg.train_dataloader.dataset.type = kind
    (folder / 'train.json').write_text('[]')
    with pytest.raises(DataError, match='train.json holds a list'):
        check_contents(cfg, 'train')


def test_width_and_height_are_swapped(folder: Path) -> None:
    data = content()
    for image in data['images']:
        image.update(file_name=f'train{image["file_name"]}', width=30, height=40)
    (folder / 'train.json').write_text(json.dumps(data))
    with pytest.raises(DataError, match='are swapped in .*train.json') as error:
        check_contents(config(folder), 'train')
    assert 'outside' not in str(error.value)  # what follows from it is not said


def test_a_cut_image_is_named(folder: Path) -> None:
    noise = Image.effect_noise((40, 30), 90)
    noise.save(folder / 'img/train1.jpg')
    whole = (folder / 'img/train1.jpg').read_bytes()
    check_contents(config(folder), 'train')
    (folder / 'img/train1.jpg').write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(DataError, match='cannot be read: .*train1.jpg .*truncated'):
        check_contents(config(folder), 'train')


# ---------------------------------------------------------------------- categories
def test_boxes_of_other_categories_are_said_to_be_left_out(folder: Path) -> None:
    found = categories(folder, ['cat'])
    assert found == [
        f'2 of 4 boxes of {folder}/train.json are not used, for their categories are no classes of '
        'the train data set (SimpleNamespace): dog'
    ]
    assert categories(folder, ['cat', 'dog']) == []


def test_categories_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_contents(config(folder), 'train')
    monkeypatch.setattr('nasvit_mm.data.coco_files.read_coco', lambda *a, **k: {}['read again'])
    assert categories(folder, ['cat', 'dog']) == []


def categories(folder: Path, classes: list[str]) -> list[str]:
    ids = [i for i, name in ((1, 'cat'), (2, 'dog')) if name in classes]
    data = SimpleNamespace(ann_file=str(folder / 'train.json'), cat_ids=ids)
    problems = Problems()
    cache = PassCache(folder / 'work')
    check_categories(data, classes, 'train', 'model.bbox_head', problems, cache)
    return problems.warnings


# ---------------------------------------------------------------------- what is completed
def metric(data: dict[str, Any], folder: Path) -> float:
    """Return the mAP of perfect predictions."""
    pytest.importorskip('mmdet')
    from mmdet.datasets.api_wrappers import COCO, COCOeval

    complete_coco()
    path = folder / 'a.json'
    path.write_text(json.dumps(data))
    truth = COCO(str(path))
    keys = ('image_id', 'category_id', 'bbox')
    boxes = [dict({k: a[k] for k in keys}, score=1.0) for a in content()['annotations']]
    evaluation = COCOeval(truth, truth.loadRes(boxes), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


def without(key: str) -> Callable[[dict], None]:
    return lambda data: [a.pop(key) for a in data['annotations']]


def from_zero(data: dict[str, Any]) -> None:
    for one in data['annotations']:
        one['id'] -= 1


@pytest.mark.parametrize(
    'change', [without('iscrowd'), without('area'), from_zero], ids=['iscrowd', 'area', 'from_zero']
)
def test_the_metric_of_completed_annotations_is_that_of_whole_ones(
    change: Callable[[dict], None], tmp_path: Path
) -> None:
    data = content()
    change(data)
    assert metric(data, tmp_path) == pytest.approx(1.0)


def test_whole_annotations_are_left_alone() -> None:
    data = content()
    complete(data)
    assert data == content()


def test_square_images_are_not_swapped(folder: Path) -> None:
    data = content()
    for image in data['images']:
        image.update(file_name=f'train{image["file_name"]}', width=40, height=40)
        Image.new('RGB', (40, 40)).save(folder / 'img' / image['file_name'])
    (folder / 'train.json').write_text(json.dumps(data))
    check_contents(config(folder), 'train')
