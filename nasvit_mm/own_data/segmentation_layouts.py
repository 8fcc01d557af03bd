"""The layouts in which images and masks lie: Cityscapes, Pascal VOC, ADE20K, two folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.own_data.found import (
    IMAGES,
    Found,
    Item,
    by_split,
    composed,
    flat,
    folders_in,
    images_below,
    shown_names,
)
from nasvit_mm.own_data.names import CITYSCAPES, CITYSCAPES_IDS, VOC, own_names
from nasvit_mm.own_data.pairing import pair

IMAGE_FOLDERS = ('images', 'image', 'img', 'imgs', 'img_dir', 'jpegimages', 'rgb', 'inputs')
MASK_FOLDERS = (
    'masks',
    'mask',
    'labels',
    'label',
    'annotations',
    'annotation',
    'ann_dir',
    'anns',
    'gt',
    'ground_truth',
    'segmentation',
    'segmentationclass',
    'targets',
)
ENDINGS = ('annot', '_annot', '_labels', '_label', '_masks', '_mask', '_gt')  # trainannot/


def cityscapes(root: Path) -> Found | None:
    """Read leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY; label ids become train ids."""
    images, labels = root / 'leftImg8bit', root / 'gtFine'
    if not (images.is_dir() and labels.is_dir()):
        return None
    kinds = ('_gtFine_labelTrainIds.png', '_gtFine_labelIds.png')
    notes, splits, used = [], {}, None
    for split, folder in by_split(images):
        names = [n for n in images_below(folder) if n.endswith('_leftImg8bit.png')]
        bases = [name.removesuffix('_leftImg8bit.png') for name in names]
        where = labels / folder.name
        for kind in kinds if used is None else (used,):
            if any((where / f'{base}{kind}').is_file() for base in bases):
                used = kind
                break
        items = [
            Item(folder / name, where / f'{base}{used}', flat(base))
            for name, base in zip(names, bases)
            if used and (where / f'{base}{used}').is_file()
        ]
        if split == 'test':
            notes.append('the test labels of Cityscapes are not public: test is left out')
        elif items:
            splits[split] = items
            if len(items) < len(names):
                notes.append(f'{len(names) - len(items)} images of {split} have no {used}')
    if not splits:
        raise DataError(
            f'{labels} holds no *{kinds[0]} and no *{kinds[1]}: unpack gtFine_trainvaltest.zip '
            'there'
        )
    values = CITYSCAPES_IDS if used == kinds[1] else None
    if values:
        notes.append('label ids become the 19 train ids of Cityscapes')
    saw = f'leftImg8bit/ and gtFine/ with *{used}'
    classes, colours = zip(*CITYSCAPES)
    return Found('Cityscapes', saw, splits, classes, colours, values, notes)


def pascal_voc(root: Path) -> Found | None:
    """Read JPEGImages, SegmentationClass and the lists of ImageSets/Segmentation."""
    images, masks = root / 'JPEGImages', root / 'SegmentationClass'
    if not (images.is_dir() and masks.is_dir()):
        return None
    notes: list[str] = []
    items = {item.name: item for item in pair(images, masks, notes, some=True)}
    splits = listed(root / 'ImageSets' / 'Segmentation', items, notes)
    lists = f' and ImageSets/Segmentation/{{{",".join(splits)}}}.txt' if splits else ''
    classes, colours = own_names(root)
    if classes is None and 'voc20' in root.name.lower():
        classes, colours = zip(*VOC)
    saw = f'JPEGImages/ and SegmentationClass/{lists}'
    return Found(
        'Pascal VOC', saw, splits or {'': list(items.values())}, classes, colours, None, notes
    )


def listed(folder: Path, items: dict[str, Item], notes: list[str]) -> dict[str, list[Item]]:
    """Divide items by the lists train.txt, val.txt, test.txt of a folder, one name a line.

    Raises:
        DataError: no name of a list is that of an item, or one image is in two lists.
    """
    splits: dict[str, list[Item]] = {}
    where: dict[str, Path] = {}
    for file in sorted(folder.glob('*.txt')) if folder.is_dir() else ():
        if file.stem not in ('train', 'val', 'test'):
            continue  # trainval, and a list for each class
        lines = [line.strip() for line in file.read_text('utf-8').splitlines()]
        names = [_listed_name(line, items) for line in lines if line]
        there = [items[name] for name in names if name in items]
        if names and not there:
            raise DataError(f'{file} names {names[0]}, and no image with a label is called so')
        if len(there) < len(names):
            left = [name for name in names if name not in items]
            notes.append(
                f'{len(left)} of {len(names)} names in {file} have no image with a label: '
                f'{shown_names(left, 3)}'
            )
        for item in there:
            if where.setdefault(item.name, file) != file:
                raise DataError(
                    f'{item.name} is in {where[item.name]} and in {file}: remove it from one'
                )
        if there:
            splits[file.stem] = there
    return splits


def _listed_name(line: str, items: Mapping[str, Item]) -> str:
    """Return the name in a line of a list: all of it, or its first word (``000 1``, or a pair)."""
    whole, first = (
        flat(text) if text.lower().endswith(IMAGES) else composed(text)
        for text in (line, line.split()[0])
    )
    return whole if whole in items else first


def ade20k(root: Path) -> Found | None:
    """Read images/{training,validation} and annotations/{training,validation}."""
    if not all(
        (root / a / b).is_dir()
        for a in ('images', 'annotations')
        for b in ('training', 'validation')
    ):
        return None
    found = Found('ADE20K', 'images/ and annotations/, each with training/ and validation/', {})
    for split, folder in by_split(root / 'images'):
        labels = root / 'annotations' / folder.name
        if labels.is_dir():
            found.splits[split] = pair(folder, labels, found.notes)
    if (root / 'objectInfo150.txt').is_file() or root.name == 'ADEChallengeData2016':
        from mmseg.datasets import ADE20KDataset

        meta = ADE20KDataset.METAINFO
        found.classes, found.colours = meta['classes'], tuple(map(tuple, meta['palette']))
        found.values = {0: 255, **{i + 1: i for i in range(len(found.classes))}}
        found.notes.append("the 150 classes are ADE20K's; label 0 is unlabelled")
    else:
        found.classes, found.colours = own_names(root)
    return found


def two_folders(root: Path) -> Found | None:
    """Read a folder of images and a folder of masks, each divided or not, in any nesting.

    Raises:
        UsageError: several folders could be that of the masks or of the images.
    """
    pairs = [p for shape in (_side_by_side, _in_splits, _annot) for p in shape(root)]
    if not pairs:
        return None
    shapes = {(images.parent if split == '' else images, split) for split, images, _ in pairs}
    found = Found('two folders', '', {})
    if len({split for split, _, _ in pairs}) < len(pairs) or len(shapes) < len(pairs):
        raise _several(root, sorted({m for _, _, m in pairs}))
    for split, images, masks in pairs:
        found.splits[split] = pair(images, masks, found.notes)
    words = [f'{i.relative_to(root)}/ and {m.relative_to(root)}/' for _, i, m in pairs]
    found.saw = '; '.join(words)
    for images in {i.parent for split, i, _ in pairs if split}:
        for split, folder in by_split(images):
            if split not in found.splits and images_below(folder):
                found.notes.append(f'{folder} has no masks and is left out')
    _apply_lists(root, found)
    found.classes, found.colours = own_names(root)
    return found


def _apply_lists(root: Path, found: Found) -> None:
    """Divide undivided items by train.txt, val.txt and test.txt, in the folder or in splits/."""
    if list(found.splits) != ['']:
        return
    items = {item.name: item for item in found.splits['']}
    for folder in (root, root / 'splits', root / 'ImageSets'):
        splits = listed(folder, items, found.notes)
        if splits:
            found.splits = splits
            found.saw += f', divided by {folder.name}/{{{",".join(splits)}}}.txt'
            return


def _side_by_side(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield (split, images, masks) of images/ beside masks/, whole or of each split."""
    for images in _called(root, IMAGE_FOLDERS):
        for masks in _called(root, MASK_FOLDERS):
            if not images_below(images) or not images_below(masks):
                continue
            inside = [
                (split, folder, masks / folder.name)
                for split, folder in by_split(images)
                if (masks / folder.name).is_dir() and images_below(masks / folder.name)
            ]
            yield from inside or [('', images, masks)]


def _in_splits(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield (split, images, masks) of train/images and train/masks."""
    for split, folder in by_split(root):
        for _, images, masks in _side_by_side(folder):
            yield split, images, masks


def _annot(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield (split, images, masks) of train/ beside trainannot/."""
    for split, folder in by_split(root):
        for ending in ENDINGS:
            if (root / f'{folder.name}{ending}').is_dir():
                yield split, folder, root / f'{folder.name}{ending}'


def _called(root: Path, names: tuple[str, ...]) -> list[Path]:
    return [folder for folder in folders_in(root) if folder.name.lower() in names]


def _several(root: Path, masks: list[Path]) -> UsageError:
    shown = ', '.join(str(m.relative_to(root)) for m in masks)
    return UsageError(
        f'{root} has several folders that could be of images or of masks ({shown}): name those '
        'that are meant, --images DIR --masks DIR'
    )


def beside(root: Path) -> Found | None:
    """Read a single folder of x.jpg and x_mask.png."""
    if not any(not Path(name).parent.name for name in images_below(root)[:1]):
        return None
    notes: list[str] = []
    try:
        items = pair(root, root, notes)
    except DataError:
        return None
    return (
        Found(
            'images and masks in one folder',
            'masks named after their image',
            {'': items},
            *own_names(root),
            None,
            notes,
        )
        if items
        else None
    )


def named(images: Path, masks: Path) -> Found:
    """Read the folders that --images and --masks name, whole or with a folder a split."""
    found = Found('two folders', f'{images} and {masks}', {})
    inside = [(s, f) for s, f in by_split(images) if (masks / f.name).is_dir()]
    for split, folder in inside or [('', images)]:
        found.splits[split] = pair(folder, masks / folder.name if inside else masks, found.notes)
    for folder in (masks, masks.parent):
        found.classes, found.colours = own_names(folder)
        if found.classes:
            break
    return found


SPECIAL: dict[str, Callable[[Path], Found | None]] = {
    'cityscapes': cityscapes,
    'voc': pascal_voc,
    'ade20k': ade20k,
}
GENERAL: dict[str, Callable[[Path], Found | None]] = {'folders': two_folders, 'beside': beside}
