"""A task of a user's data: laid out, looked at, with the configs that train and search it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from nasvit_mm.building import read_file
from nasvit_mm.dense import look_at_data
from nasvit_mm.errors import DataError, UsageError, shown_path
from nasvit_mm.files import replacing_folder, write_text
from nasvit_mm.own_data.choices import Choices, choose
from nasvit_mm.own_data.configs import FILES, Places, config_texts
from nasvit_mm.own_data.detect import find_layout
from nasvit_mm.own_data.dividing import ROLES, divide
from nasvit_mm.own_data.label_maps import read_masks
from nasvit_mm.own_data.lay_out import LaidOut, lay_out
from nasvit_mm.own_data.names import read_classes
from nasvit_mm.own_data.sheet import save_sheet
from nasvit_mm.runtime import quiet_packages

ABOUT, SHEET = 'new.json', 'sheet.png'
WRITTEN = ('data', SHEET, ABOUT, *FILES)  # what the folder holds; the rest of it is the user's


class NewTask(NamedTuple):
    """What :func:`new_task` wrote.

    Attributes:
        folder: with the configs, the sheet and the data.
        laid: the data; None: they were there, from the same folder.
        choices: what the configs are set to.
    """

    folder: Path
    laid: LaidOut
    choices: Choices


def new_task(
    root: str | Path,
    task: str,
    out: str | Path,
    *,
    layout: str | None = None,
    images: str | Path | None = None,
    masks: str | Path | None = None,
    coco: Sequence[str | Path] = (),
    classes: str | Path | None = None,
    high: dict[str, float] | None = None,
    work: str | Path | None = None,
    force: bool = False,
    say: Any = print,
) -> NewTask:
    """Lay a user's data out and write the configs that train, search and deploy a model for them.

    Args:
        root: folder of the data.
        task: ``'seg'``, ``'det'`` or ``'cls'``.
        out: folder to write.
        layout, images, masks, coco: as of :func:`find_layout`.
        classes: as of :func:`read_classes`.
        high: bounds of the search by cost.
        work: folder of trainings and searches; None: ``work`` in ``out``.
        force: write over an earlier task.
        say: is told what is found and chosen, line by line.

    Raises:
        UsageError: the layout is unclear, the folder holds another task; a mistake in the data.
    """
    out = Path(out).expanduser().absolute()
    check_free(out, force)
    given = read_classes(classes) if classes is not None else None
    found = find_layout(root, task, layout=layout, images=images, masks=masks, coco=coco)
    say(f'{shown_path(root)}: {found.layout}, {found.saw}; {found.number} images')
    for line in (*found.notes, *divide(found, by_class=task == 'cls')):
        say(line)
    has_masks = task == 'seg' and isinstance(next(iter(found.splits['train'])).label, Path)
    reading = read_masks(found, given) if has_masks else None
    places = Places(out, Path(work).absolute() if work else out / 'work')
    with replacing_folder(out, WRITTEN, lambda: check_free(out, force)) as draft:
        (draft / 'data').mkdir()
        laid = lay_out(found, task, draft / 'data', reading, given and given[0])
        choices = replace(choose(laid), high=dict(high or {}))
        title = Path(root).expanduser().absolute().name
        _write(draft, laid, choices, Places(draft, places.work), title)
        for line in (*([reading.words] if reading else []), *laid.saw):
            say(line)
        save_sheet(laid, draft / SHEET)
        try:
            check(draft, draft)
        except DataError as error:
            raise DataError(_of_the_user(str(error), draft / 'data')) from error
        _write(draft, laid, choices, places, title)
        about = dict(task=task, data=str(Path(root).expanduser().absolute()), title=title)
        (draft / ABOUT).write_text(json.dumps(about, indent=1) + '\n', encoding='utf-8')
        (draft / 'data_check.json').unlink(missing_ok=True)
    return NewTask(out, laid, choices)


def check_free(out: Path, force: bool) -> None:
    """Check that a folder holds no task, and nothing that is called as a task's files are.

    Raises:
        UsageError: it does, without ``force``; or its files are not a task's.
    """
    held = [name for name in WRITTEN if (out / name).exists()]
    if not held:
        return
    if not (out / ABOUT).is_file():
        raise UsageError(
            f'{shown_path(out)} holds {", ".join(held)}, which nasvit-mm new has not written: give '
            'another --out'
        )
    if not force:
        raise UsageError(
            f'{shown_path(out)} holds a task already: give another --out, or --force to write it '
            'anew (trainings in it stay)'
        )


def write_configs(made: NewTask, choices: Choices, work: Path) -> None:
    """Write the configs of a task again, set to other values; its data stay."""
    about = json.loads((made.folder / ABOUT).read_text(encoding='utf-8'))
    _write(made.folder, made.laid, choices, Places(made.folder, work), about['title'])


def _write(folder: Path, laid: LaidOut, choices: Choices, places: Places, title: str) -> None:
    for name, text in config_texts(laid, choices, places, title).items():
        write_text(folder / name, text)


def _of_the_user(text: str, data: Path) -> str:
    """Return a message with the user's files instead of the links to them, which will be gone."""
    for path in data.rglob('*'):
        if path.is_symlink():
            text = text.replace(str(path), os.path.realpath(path))
    return text.replace(f'{data}{os.sep}', '')


def check(folder: Path, kept: Path) -> None:
    """Have the checks that go before a training look at all three splits.

    Args:
        folder: of the configs.
        kept: folder of the results of the checks.

    Raises:
        DataError: what is wrong, with files and remedies.
    """
    cfg = read_file(folder / 'task.py')
    with quiet_packages():
        look_at_data(cfg, {split: split for split in ROLES}, kept)
