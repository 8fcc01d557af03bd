"""Finding out in which layout a folder lies; two that fit are refused, not guessed between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nasvit_mm.errors import DataError, UsageError, shown_path, unknown
from nasvit_mm.own_data import classification_layouts, detection_layouts, segmentation_layouts
from nasvit_mm.own_data.found import Found, folders_in, images_below, shown_names

TASKS = ('seg', 'det', 'cls')
SPECIAL = {
    'seg': segmentation_layouts.SPECIAL,
    'det': detection_layouts.LAYOUTS,
    'cls': classification_layouts.LAYOUTS,
}
GENERAL = {'seg': segmentation_layouts.GENERAL, 'det': {}, 'cls': {}}  # where no special one fits
EXPECTED = {
    'seg': 'images/ with masks/ (or labels/, annotations/), whole or with a folder a split; '
    "Cityscapes' leftImg8bit/ with gtFine/; Pascal VOC's JPEGImages/ with SegmentationClass/; or "
    'COCO JSON, --coco FILE',
    'det': "COCO's annotations/*.json; Pascal VOC's Annotations/*.xml with JPEGImages/; YOLO's "
    'data.yaml, images/ and labels/*.txt',
    'cls': 'a folder of images for each class, at least two, whole or in train/, val/, test/',
}


def find_layout(
    root: str | Path,
    task: str,
    *,
    layout: str | None = None,
    images: str | Path | None = None,
    masks: str | Path | None = None,
    coco: Sequence[str | Path] = (),
) -> Found:
    """Find a data set in a folder.

    Args:
        task: ``'seg'``, ``'det'`` or ``'cls'``.
        layout: its name, where several fit.
        images, masks: folders, where they are called as nobody expects.
        coco: annotation files.

    Raises:
        UsageError: no layout fits, or several do; the message names what is there.
    """
    root = Path(root).expanduser().absolute()
    given = {'--images': images, '--masks': masks, **{f'--coco {f}': f for f in coco}}
    paths = {k: _existing(root, v, k) for k, v in given.items() if v is not None}
    images, masks = paths.get('--images'), paths.get('--masks')
    files = [path for key, path in paths.items() if key.startswith('--coco')]
    if task not in TASKS:
        raise UsageError(unknown('--task', task, TASKS))
    if not root.is_dir():
        raise UsageError(f'the data folder {shown_path(root)} does not exist: name its place')
    _check_options(task, layout, images, masks, files)
    if files:
        found = detection_layouts.coco_files(files, root, images)
    elif images and masks:
        found = segmentation_layouts.named(images, masks)
    else:
        found = _recognised(root, task, layout)
    found.splits = {split: items for split, items in found.splits.items() if items}
    if not found.splits:
        raise DataError(f'{shown_path(root)} holds no image with a label: {EXPECTED[task]}')
    return found


def _existing(root: Path, path: str | Path, option: str) -> Path:
    for found in (Path(path).expanduser().absolute(), root / path):
        if found.exists():
            return found
    raise UsageError(f'{option.split()[0]} {shown_path(path)} does not exist, in {root} neither')


def _check_options(
    task: str, layout: str | None, images: Path | None, masks: Path | None, coco: Sequence[Path]
) -> None:
    names = {**SPECIAL[task], **GENERAL[task]}
    if layout is not None and layout not in names:
        raise UsageError(unknown(f'--layout (--task {task})', layout, names))
    if coco and task == 'cls':
        raise UsageError('--coco goes with --task det and seg')
    if masks and task != 'seg':
        raise UsageError(f'--masks goes with --task seg, not with {task}')
    if bool(images) != bool(masks) and not coco:
        other = '--masks' if images else '--images'
        raise UsageError(f'{other} DIR is missing: both folders are named, or --coco FILE')
    if coco and masks:
        raise UsageError('--coco and --masks: the masks are drawn of the JSON; give one of them')


def _recognised(root: Path, task: str, layout: str | None) -> Found:
    readers = {**SPECIAL[task], **GENERAL[task]}
    if layout is not None:
        found = readers[layout](root)
        if found is None:
            raise UsageError(f'{shown_path(root)} is not laid out as {layout}: {_there(root)}')
        return found
    for group in (SPECIAL[task], GENERAL[task]):
        found = {name: read(root) for name, read in group.items()}
        found = {name: one for name, one in found.items() if one is not None}
        if len(found) > 1 and group is SPECIAL[task]:
            said = ' and as '.join(f'{one.layout} ({one.saw})' for one in found.values())
            ways = ' or '.join(f'--layout {name}' for name in found)
            raise UsageError(f'{shown_path(root)} can be read as {said}: give {ways}')
        if found:
            return next(iter(found.values()))
    raise UsageError(
        f'{shown_path(root)} is in no layout of --task {task} that is known: {_there(root)}. '
        f'Expected {EXPECTED[task]}{_other_task(root, task)}'
    )


def _there(root: Path) -> str:
    inside = [f'{folder.name}/' for folder in folders_in(root)]
    files = sorted(p.name for p in root.iterdir() if p.is_file())
    return f'it holds {shown_names([*inside, *files]) or "nothing"}'


def _other_task(root: Path, task: str) -> str:
    """Return a hint at the tasks in whose layout the folder lies."""
    fits = []
    for other in TASKS:
        for read in SPECIAL[other].values() if other != task else ():
            try:
                found = read(root)
            except UsageError:
                continue
            if found is not None and other not in fits:
                fits.append(other)
    if not fits and not images_below(root):
        return '; there is no image below it'
    return ''.join(f'; it can be read by --task {name}' for name in fits)
