"""Layouts that people have are told apart, and those that could be two are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.own_data import find_layout
from tests.test_own_data import drawn
from tests.test_own_data.drawn import save, scene, write

KNOWN = [
    (drawn.folders, 'seg', 'two folders', {'': 6}),
    (drawn.voc, 'seg', 'Pascal VOC', {'train': 4, 'val': 2}),
    (drawn.cityscapes, 'seg', 'Cityscapes', {'train': 4, 'val': 2}),
    (drawn.ade20k, 'seg', 'ADE20K', {'train': 4, 'val': 2}),
    (drawn.beside_splits, 'seg', 'two folders', {'train': 4, 'val': 2}),
    (drawn.in_splits, 'seg', 'two folders', {'train': 4, 'val': 2}),
    (drawn.one_folder, 'seg', 'images and masks in one folder', {'': 6}),
    (drawn.coco, 'det', 'COCO', {'': 6}),
    (drawn.voc_xml, 'det', 'Pascal VOC', {'': 6}),
    (drawn.yolo, 'det', 'YOLO', {'train': 4, 'val': 2}),
    (drawn.classes, 'cls', 'class folders', {'': 8}),
    (drawn.divided_classes, 'cls', 'class folders', {'train': 6, 'val': 2}),
]


@pytest.mark.parametrize(
    'draw, task, layout, splits', KNOWN, ids=lambda v: getattr(v, '__name__', '')
)
def test_a_layout_is_recognised(
    tmp_path: Path, draw: Callable, task: str, layout: str, splits: dict
) -> None:
    found = find_layout(draw(tmp_path / 'data'), task)
    assert found.layout == layout
    assert {split: len(items) for split, items in found.splits.items()} == splits
    assert all(item.image.is_file() for items in found.splits.values() for item in items)


def test_each_image_has_its_own_mask(tmp_path: Path) -> None:
    """Through the word at the end of the masks' names, other names and nested folders."""
    for name in ('a_1', 'a_2', 'b/a_3'):
        save(tmp_path / f'images/{name}_sat.jpg', scene(0)[0])
        save(tmp_path / f'masks/{name}_mask.png', scene(0)[1])
    (items,) = find_layout(tmp_path, 'seg').splits.values()
    pairs = [(i.image.stem.removesuffix('_sat'), i.label.stem.removesuffix('_mask')) for i in items]
    assert pairs == [('a_1', 'a_1'), ('a_2', 'a_2'), ('a_3', 'a_3')]


@pytest.mark.parametrize(
    'image, mask',
    [
        ('img_{}', 'mask_{}'),
        ('image-{}', '{}_seg'),
        ('Gr\u00f6\u00dfe {}', 'Gro\u0308\u00dfe {}'),  # of an archive that a Mac has made
    ],
    ids=['first words', 'first and last word', 'accents in two forms'],
)
def test_names_that_differ_alike(tmp_path: Path, image: str, mask: str) -> None:
    for i in range(4):
        save(tmp_path / f'images/{image.format(i)}.jpg', scene(i)[0])
        save(tmp_path / f'masks/{mask.format(i)}.png', scene(i)[1])
    (items,) = find_layout(tmp_path, 'seg').splits.values()
    assert [i.image.stem for i in items] == [image.format(i) for i in range(4)]
    assert [i.label.stem for i in items] == [mask.format(i) for i in range(4)]


def test_a_list_of_names_with_spaces(tmp_path: Path) -> None:
    data = drawn.voc(tmp_path)
    for path in [*data.glob('*/004.*')]:
        path.rename(path.with_stem('my scene 4'))
    write(data / 'ImageSets/Segmentation/val.txt', 'my scene 4\n005 1\n')
    assert [i.name for i in find_layout(data, 'seg').splits['val']] == ['my scene 4', '005']


def test_folders_of_any_name_are_named(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path, masks='what')
    with pytest.raises(UsageError, match='in no layout of --task seg .* it holds images/, what/'):
        find_layout(data, 'seg')
    found = find_layout(data, 'seg', images='images', masks='what')
    assert found.number == 6


def test_two_layouts_are_refused(tmp_path: Path) -> None:
    drawn.voc_xml(tmp_path), drawn.coco(tmp_path)
    with pytest.raises(UsageError, match='give --layout coco or --layout voc'):
        find_layout(tmp_path, 'det')
    assert find_layout(tmp_path, 'det', layout='voc').layout == 'Pascal VOC'


def test_two_folders_of_masks_are_refused(tmp_path: Path) -> None:
    drawn.folders(tmp_path), drawn.folders(tmp_path, masks='labels')
    with pytest.raises(UsageError, match='of images or of masks .*labels, masks.* --masks'):
        find_layout(tmp_path, 'seg')


def test_data_of_another_task_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='can be read by --task det'):
        find_layout(drawn.yolo(tmp_path), 'seg')


def test_masks_and_images_that_are_left_over_are_counted(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path)
    (data / 'masks/000.png').unlink()
    (data / 'images/001.jpg').unlink()
    notes = ' '.join(find_layout(data, 'seg').notes)
    assert '1 of 5 images' in notes and '000.jpg' in notes and '1 masks' in notes


def test_a_split_without_masks_is_said_to_be_left_out(tmp_path: Path) -> None:
    for split in ('train', 'test'):
        save(tmp_path / f'images/{split}/0.jpg', scene(0)[0])
    save(tmp_path / 'masks/train/0.png', scene(0)[1])
    (note,) = find_layout(tmp_path, 'seg').notes
    assert note.endswith('images/test has no masks and is left out')


def test_folders_of_two_data_sets(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path)
    for path in (data / 'masks').iterdir():
        path.rename(path.with_stem(f'other{path.stem}x'))
    with pytest.raises(UsageError, match='6 of 6 images .* have no mask of their name'):
        find_layout(data, 'seg')


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(layout='vco'), r'did you mean voc\?'),
        (dict(images='images'), '--masks DIR is missing'),
        (dict(masks='nowhere', images='images'), '--masks nowhere .*does not exist'),
        (dict(coco=['boxes.json'], masks='masks', images='images'), 'give one of them'),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, options: dict, message: str) -> None:
    data = drawn.coco(drawn.folders(tmp_path))
    with pytest.raises(UsageError, match=message):
        find_layout(data, 'seg', **options)


def test_pascal_voc_has_masks_of_a_part_of_its_images(tmp_path: Path) -> None:
    data = drawn.voc(tmp_path)
    for i in range(100, 120):
        save(data / f'JPEGImages/{i}.jpg', scene(i)[0])
    found = find_layout(data, 'seg')
    assert found.number == 6 and '20 of 26 images' in found.notes[0]


def test_an_image_in_two_lists(tmp_path: Path) -> None:
    data = drawn.voc(tmp_path)
    write(data / 'ImageSets/Segmentation/val.txt', '003\n004\n')
    with pytest.raises(UsageError, match='003 is in .*train.txt and in .*val.txt'):
        find_layout(data, 'seg')
