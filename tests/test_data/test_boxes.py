"""Boxes of data sets that read something else than COCO JSON are compared with their images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import nasvit_mm.compat  # noqa: F401 (before mmdet)
from nasvit_mm.data import PassCache, Problems, look_at_boxes, reads_coco
from nasvit_mm.errors import DataError

pytest.importorskip('mmdet')
XML = """<annotation><size><width>{width}</width><height>{height}</height></size><object>
<name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>
</bndbox></object></annotation>"""
SOUND = dict(width=40, height=30, name='cat', x1=3, y1=3, x2=20, y2=20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for sub in ('JPEGImages', 'Annotations'):
        (tmp_path / sub).mkdir()
    for name in ('a', 'b'):
        Image.new('RGB', (40, 30)).save(tmp_path / f'JPEGImages/{name}.jpg')
        annotate(tmp_path, name)
    (tmp_path / 'list.txt').write_text('a\nb\n')
    return tmp_path


def annotate(folder: Path, image: str, **changes: Any) -> None:
    (folder / f'Annotations/{image}.xml').write_text(XML.format(**{**SOUND, **changes}))


def look(folder: Path, split: str = 'train', cache: PassCache | None = None) -> list[str]:
    from mmdet.datasets import XMLDataset

    data = XMLDataset(
        data_root=str(folder),
        ann_file='list.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('cat',)),
        pipeline=[],
    )
    problems = Problems()
    assert look_at_boxes(data, split, problems, cache or PassCache(None))
    problems.raise_if_any()
    return problems.warnings


def test_sound_boxes_pass(folder: Path) -> None:
    assert look(folder) == []


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        (dict(x2=90), r'leave their image: \[2, 2, 89, 19\] .*b.jpg of 40 x 30'),
        (dict(x2=3), r'are empty or leave their image: \[2, 2, 2, 19\]'),
        (dict(width=80, height=60), 'b.jpg is 40 x 30, in its annotations 80 x 60'),
    ],
)
def test_refused(folder: Path, changes: dict[str, Any], expected: str) -> None:
    annotate(folder, 'b', **changes)
    with pytest.raises(DataError, match=expected):
        look(folder)


def test_names_that_are_no_classes(folder: Path) -> None:
    for name in ('a', 'b'):
        annotate(folder, name, name='dog')
    with pytest.raises(DataError, match='none of 2 images has one of cat. Name the classes'):
        look(folder)
    assert look(folder, 'val') == [
        'the val data set has no box to evaluate by: its metric will be undefined'
    ]


def test_a_second_run_reads_no_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look(folder, cache=PassCache(folder))

    def no(*args: Any) -> None:
        raise AssertionError('read again')

    monkeypatch.setattr('nasvit_mm.data.boxes.header_of_whole', no)
    look(folder, cache=PassCache(folder))
    annotate(folder, 'a', x2=25)
    with pytest.raises(AssertionError, match='read again'):
        look(folder, cache=PassCache(folder))


def test_nan_is_no_box(folder: Path) -> None:
    class Data:
        metainfo = dict(classes=('cat',))

        def __len__(self) -> int:
            return 1

        def get_data_info(self, index: int) -> dict[str, Any]:
            box = dict(bbox=[2, math.nan, 9, 9], bbox_label=0, ignore_flag=0)
            image = str(folder / 'JPEGImages/a.jpg')
            return dict(img_path=image, width=40, height=30, instances=[box])

    problems = Problems()
    look_at_boxes(Data(), 'val', problems, PassCache(None))
    with pytest.raises(DataError, match=r'\[2, nan, 9, 9\]'):
        problems.raise_if_any()


def test_which_classes_read_coco_json() -> None:
    from mmdet import datasets

    class Mine(datasets.CocoDataset):
        pass

    assert all(map(reads_coco, (datasets.CocoDataset, datasets.CityscapesDataset, Mine)))
    others = (datasets.LVISV1Dataset, datasets.CocoPanopticDataset, datasets.VOCDataset, None, dict)
    assert not any(map(reads_coco, others))
