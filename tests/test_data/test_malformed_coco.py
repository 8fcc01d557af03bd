"""Whatever a COCO JSON says wrong is refused or warned of, with the file, the entry, the value."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nasvit_mm.data import Problems
from nasvit_mm.data.coco_json import check_coco, read_coco
from nasvit_mm.errors import DataError

NAN, INF, GARBAGE = math.nan, math.inf, 'garbage'
POLYGON = [[2, 2, 12, 2, 12, 10, 2, 10]]
# What each key is made; () removes it.  The second entry of a list is changed, so its id is 2.
VALUES: dict[str, dict[str, list[Any]]] = {
    'images': dict(
        id=[(), None, '2', 1, 2.5, [2], {}, True, NAN],
        file_name=[(), None, 3, ['b.jpg'], 'a.jpg'],
        width=[(), None, 0, -40, '40', 40.5, NAN, INF, [40]],
        height=[(), None, 0, -30, '30', 30.5, NAN, INF],
    ),
    'categories': dict(id=[(), None, '2', 1, [2], NAN], name=[(), None, 7, ['dog'], 'cat']),
    'annotations': dict(
        id=[(), None, '2', 1, 2.5, [2], NAN],
        image_id=[(), None, '1', 9, 1.5, [1], NAN],
        category_id=[(), None, '1', 9, 1.5, [1], NAN],
        bbox=[
            (),
            None,
            [],
            7,
            GARBAGE,
            dict(x=1),
            [2, 2, 10],
            [2, 2, 10, 8, 1],
            [2, 2, '10', 8],
            [2, None, 10, 8],
            [NAN, 2, 10, 8],
            [2, 2, INF, 8],
            [2, 2, -10, 8],
            [2, 2, 10, -8],
            [2, 2, 10, 0],
            [50, 2, 10, 8],
            [-30, 2, 10, 8],
            [2, 2, 90, 8],
            [2, 2, 10**400, 8],
        ],
        area=[(), None, '80', NAN, -80, INF, [80]],
        iscrowd=[(), None, 5, -1, '0', NAN],
        segmentation=[
            (),
            None,
            [],
            [[]],
            7,
            GARBAGE,
            {},
            POLYGON[0],
            [[2, 2, 9, 9]],
            [[2, 2, 9, NAN, 9, 9]],
            [[2, 2, 9, '2', 9, 9]],
            [POLYGON[0], None],
            [[[2, 2], [12, 2], [12, 10]]],
            [[0.05, 0.07, 0.3, 0.07, 0.3, 0.33]],
            dict(size=[30, 40]),
            dict(size=[40, 30], counts=[1200]),
            dict(size=[30, 40], counts=[100]),
            dict(size=[30, 40], counts=[1300, -100]),
            dict(size=[30, 40], counts=GARBAGE),
            dict(size=[30, 40], counts='\x7f~'),
        ],
    ),
}
WHOLE = {  # files that are no COCO JSON at all
    'empty': b'',
    'blank': b' \n',
    'cut': b'{"images": [{"id": 1, "file_name": "a.jpg"',
    'binary': b'\xd2\x00\xff\xfe',
    'UTF-16': json.dumps(dict(images=[])).encode('utf-16'),
    'byte order mark': b'\xef\xbb\xbf{}',
    'a list': b'[]',
    'a number': b'7',
    'null': b'null',
    'XML': b'<annotation></annotation>',
    'too deep': b'[' * 200_000,
    'too many digits': b'{"images": [{"id": 1' + b'0' * 5000 + b'}]}',
    **{
        f'{name}={value}': json.dumps({**dict.fromkeys(VALUES, []), name: value}).encode()
        for name, value in itertools.product(VALUES, (None, {}, 'x', 3))
    },
    **{
        f'no {name}': json.dumps({other: [] for other in VALUES if other != name}).encode()
        for name in VALUES
    },
}


def content() -> dict[str, Any]:
    return dict(
        images=[
            dict(id=i, file_name=name, width=40, height=30)
            for i, name in ((1, 'a.jpg'), (2, 'b.jpg'))
        ],
        categories=[dict(id=i, name=name) for i, name in ((1, 'cat'), (2, 'dog'))],
        annotations=[
            dict(
                id=i,
                image_id=1,
                category_id=i,
                bbox=[2, 2, 10, 8],
                area=80,
                iscrowd=0,
                segmentation=POLYGON,
            )
            for i in (1, 2)
        ],
    )


def malformed() -> Iterator[Any]:
    for name, keys in VALUES.items():
        for key, values in keys.items():
            for value in values:
                word = 'removed' if value == () else repr(value)[:20]
                yield pytest.param(name, key, value, id=f'{name}.{key}={word}')


def said_of(data: dict[str, Any], path: Path) -> str:
    """Return what is said of a file: the error, or the warnings."""
    path.write_text(json.dumps(data))
    problems = Problems()
    check_coco(str(path), read_coco(path), 'val', problems, masks=True)
    try:
        problems.raise_if_any()
    except DataError as error:
        return str(error)
    return '\n'.join(problems.warnings)


def test_the_sound_file_is_silent(tmp_path: Path) -> None:
    assert said_of(content(), tmp_path / 'a.json') == ''


@pytest.mark.parametrize(('name', 'key', 'value'), malformed())
def test_an_entry(name: str, key: str, value: Any, tmp_path: Path) -> None:
    data = content()
    if value == ():
        del data[name][1][key]
    else:
        data[name][1][key] = value
    said = said_of(data, tmp_path / 'a.json')
    assert str(tmp_path / 'a.json') in said
    singular = 'category' if name == 'categories' else name[:-1]
    assert (
        f'{singular} 2' in said
        or f'{singular} {value!r}' in said
        or 'at place 1' in said
        or (key in ('id', 'name', 'file_name') and '(2 times)' in said)
        or (value == () and f"1 of 2 annotations in {tmp_path}/a.json have no '{key}'" in said)
        or 'annotations 2' in said
    )


@pytest.mark.parametrize('text', WHOLE.values(), ids=WHOLE)
def test_a_whole_file(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / 'a.json'
    path.write_bytes(text)
    problems = Problems()
    with pytest.raises(DataError, match='a.json') as error:
        check_coco(str(path), read_coco(path), 'train', problems)
        problems.raise_if_any()
    assert '\n' not in str(error.value)
