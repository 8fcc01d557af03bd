"""The demo data in Cityscapes' layout, which mmseg's stock ``CityscapesDataset`` reads unchanged.

root/leftImg8bit/{train,val}/demo/demo_000000_000019_leftImg8bit.png
root/gtFine/{train,val}/demo/demo_000000_000019_gtFine_labelTrainIds.png

An annotation is 8 bit deep and holds Cityscapes' train ids, 255 outside the 19 classes.
"""

import os

import numpy as np

from .classes import CLASSES, VOID
from .folder import MARKER, DemoFolder, Written

CITYSCAPES_INDEX: dict[str, int] = {
    "sky": 10, "mountain": 9, "building": 2, "tree": 8, "grass": 9, "road": 0, "sidewalk": 1,
    "water": VOID, "person": 11, "car": 13, "bus": 15, "boat": VOID,
}  # fmt: skip
"""Class name -> Cityscapes' train id. Mountains and grass are terrain; water and boats: 255."""

_README = """\
Synthetic demo data in Cityscapes' layout. This is NOT Cityscapes.

Every image was drawn by nasvit_mm's scene generator; there is no photograph and nothing of
Cityscapes itself in here. It is for trying out training, search and evaluation. Metrics measured
on it say nothing about Cityscapes.

{marker} says how it was written. tools/demo_data.py replaces the images when
it is asked for others in this folder.

train id  class
{classes}
"""


def write_cityscapes(
    root: str | os.PathLike,
    num_train: int = 120,
    num_val: int = 30,
    height: int = 192,
    width: int = 384,
    seed: int = 0,
    progress: bool = True,
) -> Written:
    """Draw scenes and write them in Cityscapes' layout; see ``write_ade20k`` for the arguments."""
    patterns = ('leftImg8bit/*/demo/*.png', 'gtFine/*/demo/*.png', 'README.txt')
    folder = DemoFolder(root, 'cityscapes', patterns, num_train, num_val, height, width, seed)
    present = folder.present()
    if present is not None:
        return present
    folder.begin(
        [f'{kind}/{split}/demo' for kind in ('leftImg8bit', 'gtFine') for split in folder.counts]
    )
    values = np.full(VOID + 1, VOID, np.uint8)
    values[: len(CLASSES)] = [CITYSCAPES_INDEX[name] for name in CLASSES]
    for split, index, scene in folder.scenes(progress):
        name = f'{split}/demo/demo_{index:06d}_000019'
        folder.save(f'leftImg8bit/{name}_leftImg8bit.png', scene.image)
        folder.save(f'gtFine/{name}_gtFine_labelTrainIds.png', values[scene.labels])
    classes = '\n'.join(f'{index:8d}  {name}' for name, index in CITYSCAPES_INDEX.items())
    readme = _README.format(marker=MARKER, classes=classes)
    (folder.root / 'README.txt').write_text(readme, encoding='utf-8')
    return folder.finish()
