"""The demo data in ADE20K's layout, which mmseg's stock ``ADE20KDataset`` reads unchanged.

root/images/{training,validation}/ADE_{train,val}_00000001.jpg
root/annotations/{training,validation}/ADE_{train,val}_00000001.png

An annotation is 8 bit deep; 0 is unlabelled, other values are ADE20K's class index + 1.
"""

import os

import cv2
import numpy as np

from .classes import CLASSES, VOID
from .folder import MARKER, DemoFolder, Written

ADE20K_INDEX: dict[str, int] = {
    "sky": 2, "mountain": 16, "building": 1, "tree": 4, "grass": 9, "road": 6, "sidewalk": 11,
    "water": 21, "person": 12, "car": 20, "bus": 80, "boat": 76,
}  # fmt: skip
"""Class name -> index among ADE20K's 150 classes, which is what a model predicts; an annotation
stores index + 1.
"""

_FOLDERS = {'train': 'training', 'val': 'validation'}
_README = """\
Synthetic demo data in ADE20K's layout. This is NOT ADE20K.

Every image was drawn by nasvit_mm's scene generator; there is no photograph and nothing of
ADE20K itself in here. It is for trying out training, search and evaluation. Metrics measured on
it say nothing about ADE20K.

{marker} says how it was written. tools/demo_data.py replaces the images when
it is asked for others in this folder.

annotation value  class (0: unlabelled)
{classes}
"""


def write_ade20k(
    root: str | os.PathLike,
    num_train: int = 120,
    num_val: int = 30,
    height: int = 192,
    width: int = 288,
    seed: int = 0,
    progress: bool = True,
) -> Written:
    """Draw scenes and write them in ADE20K's layout.

    Calling it again with the same arguments returns at once; after an interruption, or with other
    arguments, everything is drawn again.

    Args:
        root: the data set's folder, ``data_root`` of ``ADE20KDataset``, by custom called
            ADEChallengeData2016.
        num_train, num_val: number of images, at least 1 each. No scene is in both, whatever the
            seeds.
        height, width: size of each image in pixels, at least 32.
        seed: selects the data set, an integer >= 0.
        progress: show a progress bar when the output is a terminal.

    Raises:
        ValueError: a number is out of range.
        FileExistsError: root exists and is not demo data in this layout.
    """
    patterns = ('images/*/ADE_*.jpg', 'annotations/*/ADE_*.png', 'README.txt')
    folder = DemoFolder(root, 'ade20k', patterns, num_train, num_val, height, width, seed)
    present = folder.present()
    if present is not None:
        return present
    folder.begin(
        [f'{kind}/{split}' for kind in ('images', 'annotations') for split in _FOLDERS.values()]
    )
    values = np.zeros(VOID + 1, np.uint8)
    values[: len(CLASSES)] = [ADE20K_INDEX[name] + 1 for name in CLASSES]
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, 95]
    for split, index, scene in folder.scenes(progress):
        name = f'{_FOLDERS[split]}/ADE_{split}_{index + 1:08d}'
        folder.save(f'images/{name}.jpg', scene.image, jpeg)
        folder.save(f'annotations/{name}.png', values[scene.labels])
    classes = '\n'.join(f'{index + 1:16d}  {name}' for name, index in ADE20K_INDEX.items())
    readme = _README.format(marker=MARKER, classes=classes)
    (folder.root / 'README.txt').write_text(readme, encoding='utf-8')
    return folder.finish()
