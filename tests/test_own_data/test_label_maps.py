"""Masks of all kinds become class numbers; what is unclear is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nasvit_mm.errors import UsageError
from nasvit_mm.own_data import find_layout
from nasvit_mm.own_data.label_maps import convert, read_masks
from nasvit_mm.own_data.names import read_classes
from tests.test_own_data import drawn
from tests.test_own_data.drawn import NAMES, scene, write

COLOURS = np.array([(128, 128, 128), (0, 128, 0), (128, 64, 32)], np.uint8)


def reading_of(data: Path, classes: str | None = None):
    found = find_layout(data, 'seg')
    return read_masks(found, classes and read_classes(classes)), found.splits['']


def converted(data: Path, classes: str | None = None) -> np.ndarray:
    reading, items = reading_of(data, classes)
    return convert(items[0].label, reading)


def test_numbers_are_taken_as_they_are(tmp_path: Path) -> None:
    reading, _ = reading_of(drawn.folders(tmp_path), ','.join(NAMES))
    assert reading.table is None and reading.classes == NAMES


def test_255_is_ignored_not_counted(tmp_path: Path) -> None:
    reading, _ = reading_of(drawn.folders(tmp_path, np.array([0, 1, 255], np.uint8)))
    assert reading.classes == ('class_0', 'class_1') and reading.table is None
    assert '255 (5.47% of the pixels looked at) is ignored' in reading.words


def test_0_and_255_are_two_classes(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path, np.array([0, 0, 255], np.uint8))
    assert np.array_equal(converted(data), scene(0)[1] == 2)
    assert reading_of(data, 'rest,cup')[0].classes == ('rest', 'cup')


def test_shades_are_classes_in_their_order(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path, np.array([0, 100, 200], np.uint8))
    assert np.array_equal(converted(data), scene(0)[1])
    assert np.array_equal(converted(data, 'a,b,c'), scene(0)[1])


def test_labels_from_1_with_0_unlabelled(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path, np.array([0, 1, 2], np.uint8))
    assert np.array_equal(converted(data, 'a,b'), np.array([255, 0, 1])[scene(0)[1]])


def test_colours_by_a_table_beside_the_data(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path, COLOURS)
    rows = [f'{name},{",".join(map(str, c))}' for name, c in zip(NAMES, COLOURS)]
    write(data / 'class_dict.csv', 'name,r,g,b\n' + '\n'.join(rows))
    assert np.array_equal(converted(data), scene(0)[1])
    assert reading_of(data)[0].classes == NAMES


def test_colours_without_names_are_shown(tmp_path: Path) -> None:
    reading, _ = reading_of(drawn.folders(tmp_path, COLOURS))
    assert [row.shown for row in reading.table] == ['#008000', '#804020', '#808080']
    assert 'NAME=804020' in reading.words
    assert sum(row.share for row in reading.table) == pytest.approx(1)


def test_names_alone_do_not_say_which_colour(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='--classes NAME=008000,NAME=804020,NAME=808080'):
        reading_of(drawn.folders(tmp_path, COLOURS), 'a,b,c')


def test_a_colour_that_no_class_has(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'#808080; [\d.]+%.*add them'):
        reading_of(drawn.folders(tmp_path, COLOURS), 'a=008000,b=804020')


def test_palettes_that_differ_are_read_by_colour(tmp_path: Path) -> None:
    """As Pillow saves them with an adaptive palette: an index is another colour in each file."""
    data = drawn.folders(tmp_path)
    for i, path in enumerate(sorted((data / 'masks').iterdir())):
        labels = np.array(Image.open(path))
        order = np.roll([0, 1, 2], i)
        image = Image.fromarray(order[labels].astype(np.uint8)).convert('P')
        palette = np.zeros((3, 3), np.uint8)
        palette[order] = COLOURS
        image.putpalette(palette.ravel().tolist())
        image.save(path)
    reading, items = reading_of(data, 'a=808080,b=008000,c=804020')
    for i, item in enumerate(items):
        assert np.array_equal(convert(item.label, reading), scene(i)[1])


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'LA'])
def test_numbers_in_several_channels(tmp_path: Path, mode: str) -> None:
    data = drawn.folders(tmp_path)
    for path in (data / 'masks').iterdir():
        Image.open(path).convert(mode).save(path)
    assert np.array_equal(converted(data, ','.join(NAMES)), scene(0)[1])


def test_300_classes(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path, np.array([0, 259, 270], np.uint16))
    names = ','.join(f'c{i}' for i in range(271))
    assert reading_of(data, names)[0].table is None


@pytest.mark.parametrize(
    'values, classes, message',
    [
        ([0, 1, 7], 'a,b', 'labels beyond the classes: the masks hold 0, 1, 7, and 2 classes'),
        ([0, 5, 15], None, 'most never occur, or shades'),
        ([3, 3, 3], None, 'nothing can be told apart'),
    ],
)
def test_what_is_unclear_is_refused(
    tmp_path: Path, values: list, classes: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        reading_of(drawn.folders(tmp_path, np.array(values, np.uint8)), classes)


def test_smooth_colours(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path)
    drawn.save(data / 'masks/000.png', scene(0)[0])
    with pytest.raises(UsageError, match='more than 256 colours .*000.png'):
        reading_of(data)


def test_a_lossy_mask_another_size_and_a_broken_file(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path)
    drawn.save(data / 'masks/000.png', scene(0)[1], format='JPEG')
    drawn.save(data / 'masks/001.png', scene(1)[1][:20])
    (data / 'masks/002.png').write_bytes(b'no image')
    with pytest.raises(UsageError) as error:
        reading_of(data)
    text = str(error.value)
    assert '000.png (JPEG)' in text and '001.png (64 x 20)' in text and '002.png of ' in text


@pytest.mark.parametrize(
    'text, names, colours',
    [('a,b', ('a', 'b'), None), ('a=ff0000,b=#00ff00', ('a', 'b'), ((255, 0, 0), (0, 255, 0)))],
)
def test_classes_on_the_command_line(text: str, names: tuple, colours: tuple) -> None:
    assert read_classes(text) == (names, colours)


@pytest.mark.parametrize(
    'text',
    [
        'name,r,g,b\nmy road,128,64,128\nsky,70,130,180\n',
        '128 64 128 my road\n70 130 180\tsky\n',
        '# label:color_rgb:parts:actions\nmy road:128,64,128::\nsky:70,130,180::\n',
    ],
)
def test_files_of_classes_and_colours(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / 'classes', text)
    assert read_classes(path) == (('my road', 'sky'), ((128, 64, 128), (70, 130, 180)))


@pytest.mark.parametrize(
    'text, message',
    [
        ('a,a', 'more than once'),
        ('a=ff0000,b', 'b has no colour'),
        ('a,,b', 'without a name'),
        ('a=red', 'NAME=RRGGBB'),
    ],
)
def test_classes_that_are_none(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_classes(text)
