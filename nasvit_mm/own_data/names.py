"""Names and colours of classes: of known data sets, of tables that lie beside data, as given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from nasvit_mm.errors import UsageError, shown_path

Colour = tuple[int, int, int]
LONGEST = 255  # bytes of a file's name
TABLES = (
    'labelmap.txt',
    'class_dict.csv',
    'classes.csv',
    'label_colors.txt',
    'classes.txt',
    'class_names.txt',
    'obj.names',
)
VOC_NAMES = (
    'background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse '
    'motorbike person pottedplant sheep sofa train tvmonitor'
).split()
CITYSCAPES = tuple(
    (name, colour)
    for name, colour in (
        ('road', (128, 64, 128)),
        ('sidewalk', (244, 35, 232)),
        ('building', (70, 70, 70)),
        ('wall', (102, 102, 156)),
        ('fence', (190, 153, 153)),
        ('pole', (153, 153, 153)),
        ('traffic light', (250, 170, 30)),
        ('traffic sign', (220, 220, 0)),
        ('vegetation', (107, 142, 35)),
        ('terrain', (152, 251, 152)),
        ('sky', (70, 130, 180)),
        ('person', (220, 20, 60)),
        ('rider', (255, 0, 0)),
        ('car', (0, 0, 142)),
        ('truck', (0, 0, 70)),
        ('bus', (0, 60, 100)),
        ('train', (0, 80, 100)),
        ('motorcycle', (0, 0, 230)),
        ('bicycle', (119, 11, 32)),
    )
)
_TRAINED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CITYSCAPES_IDS = {i: 255 for i in (*range(34), 255)} | {v: i for i, v in enumerate(_TRAINED)}


def voc_colour(index: int) -> Colour:
    """Return the colour of an index in Pascal VOC's palette: its bits, three by three."""
    out = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            out[channel] |= ((index >> channel) & 1) << (7 - bit)
        index >>= 3
    return tuple(out)


VOC = tuple((name, voc_colour(i)) for i, name in enumerate(VOC_NAMES))
VOC_BORDER = (224, 224, 192)


def own_names(root: Path) -> tuple[tuple[str, ...] | None, tuple[Colour, ...] | None]:
    """Return the names and colours of a table that lies in a folder; None where there is none."""
    for name in TABLES:
        for path in (root / name, root.parent / name):
            if path.is_file():
                return read_classes(path)
    return None, None


def read_classes(given: str | Path) -> tuple[tuple[str, ...], tuple[Colour, ...] | None]:
    """Read classes as they are given: ``road,sky``, ``road=804080,sky=4682b4``, or a file.

    A file has a class on each line: its name alone, or with its colour, as in ``road,128,64,128``,
    ``128 64 128 road`` or ``road:128,64,128::`` (CVAT).

    Raises:
        UsageError: a class twice, colours for some only, a value that is no colour.
    """
    is_file = isinstance(given, Path) or (len(given) < LONGEST and Path(given).is_file())
    if is_file:
        text = Path(given).read_text(encoding='utf-8-sig')
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith('#')]
        if lines and re.match(r'(names?|label|class)[,;].*', lines[0].lower()):
            lines = lines[1:]  # a header
        lines = [line for line in lines if line not in ('__ignore__', '_ignore_')]  # of labelme
    else:
        lines = [part.strip() for part in str(given).split(',')]
    parsed = [_class(line, is_file) for line in lines]
    names = tuple(name for name, _ in parsed)
    where = shown_path(given) if is_file else f'--classes {given}'
    if not all(names):
        raise UsageError(f'{where}: a class without a name; expected a,b,c, or a file, one a line')
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f'{where}: {", ".join(twice)} more than once; name each class once')
    colours = [colour for _, colour in parsed]
    if any(colours) and not all(colours):
        lacking = names[colours.index(None)]
        raise UsageError(f'{where}: {lacking} has no colour, others have; give all or none')
    return names, tuple(colours) if colours and all(colours) else None


def _class(line: str, of_file: bool) -> tuple[str, Colour | None]:
    name, equals, value = line.partition('=')
    if equals and not of_file:
        colour = re.fullmatch('#?([0-9a-fA-F]{6})', value.strip())
        if not colour:
            raise UsageError(f'--classes {line}: expected NAME or NAME=RRGGBB, as in road=804080')
        return name.strip(), tuple(bytes.fromhex(colour[1]))
    number = r'(\d{1,3})'
    apart = r'[\s,;:]+'
    colour = apart.join([number] * 3)
    if found := re.fullmatch(rf'(.+?){apart}{colour}[\s,;:]*(?:\w+[,;:]*)*', line):
        return _bare(found[1]), _rgb(found.groups()[1:4], line)
    if found := re.fullmatch(rf'{colour}{apart}(.+)', line):
        return _bare(found[4]), _rgb(found.groups()[:3], line)
    return _bare(re.sub(r':+$', '', line) if of_file else line), None


def _bare(name: str) -> str:
    """Return a name without the quotes around it."""
    name = name.strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name


def _rgb(values: Iterable[str], line: str) -> Colour:
    out = tuple(map(int, values))
    if max(out) > 255:
        raise UsageError(f'{line!r}: a colour is three numbers of 0 to 255')
    return out


def hexed(colour: Iterable[int]) -> str:
    """Return ``804080``."""
    return bytes(colour).hex()


def made_up(number: int) -> tuple[Colour, ...]:
    """Return that many colours that differ: Pascal VOC's palette."""
    return tuple(voc_colour(i) for i in range(number))
