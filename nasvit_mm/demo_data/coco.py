"""The demo data in COCO's layout, which mmdet's stock `CocoDataset` reads unchanged.

root/{train,val}2017/000000000001.jpg
root/annotations/instances_{train,val}2017.json

People, cars, buses and boats have boxes and masks, under COCO's own category numbers; the other 76
categories are listed and empty.
"""

from __future__ import annotations

import json
import os
from typing import Any

import cv2
import numpy as np

from .classes import CLASSES
from .folder import MARKER, DemoFolder, Written
from .scenes import Instance

COCO_NAMES = (
    'person',
    'bicycle',
    'car',
    'motorcycle',
    'airplane',
    'bus',
    'train',
    'truck',
    'boat',
    'traffic light',
    'fire hydrant',
    'stop sign',
    'parking meter',
    'bench',
    'bird',
    'cat',
    'dog',
    'horse',
    'sheep',
    'cow',
    'elephant',
    'bear',
    'zebra',
    'giraffe',
    'backpack',
    'umbrella',
    'handbag',
    'tie',
    'suitcase',
    'frisbee',
    'skis',
    'snowboard',
    'sports ball',
    'kite',
    'baseball bat',
    'baseball glove',
    'skateboard',
    'surfboard',
    'tennis racket',
    'bottle',
    'wine glass',
    'cup',
    'fork',
    'knife',
    'spoon',
    'bowl',
    'banana',
    'apple',
    'sandwich',
    'orange',
    'broccoli',
    'carrot',
    'hot dog',
    'pizza',
    'donut',
    'cake',
    'chair',
    'couch',
    'potted plant',
    'bed',
    'dining table',
    'toilet',
    'tv',
    'laptop',
    'mouse',
    'remote',
    'keyboard',
    'cell phone',
    'microwave',
    'oven',
    'toaster',
    'sink',
    'refrigerator',
    'book',
    'clock',
    'vase',
    'scissors',
    'teddy bear',
    'hair drier',
    'toothbrush',
)
"""COCO's 80 categories in the order of their numbers."""

_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
COCO_IDS: dict[str, int] = dict(
    zip(COCO_NAMES, (i for i in range(1, 91) if i not in _GAPS), strict=True)
)
"""Category name -> COCO's number for it, 1 to 90 with gaps."""

SMALLEST_AREA = 16  # visible pixels; what shows less is not annotated

_README = """\
Synthetic demo data in COCO's layout. This is NOT COCO.

Every picture was drawn by nasvit_mm's scene generator. It is for trying out detectors; figures
measured on it say nothing about COCO.  {marker} says how it was written.
"""


def write_coco(
    root: str | os.PathLike,
    num_train: int = 120,
    num_val: int = 30,
    height: int = 192,
    width: int = 288,
    seed: int = 0,
    progress: bool = True,
) -> Written:
    """Draw scenes and write them in COCO's layout; arguments, errors and behaviour as of
    :func:`nasvit_mm.demo_data.write_ade20k`, whose scenes these are.

    Needs pycocotools, for the masks.
    """
    patterns = ('train2017/*.jpg', 'val2017/*.jpg', 'annotations/*.json', 'README.txt')
    folder = DemoFolder(root, 'coco', patterns, num_train, num_val, height, width, seed)
    present = folder.present()
    if present is not None:
        return present
    folder.begin(['train2017', 'val2017', 'annotations'])
    content = {split: _empty() for split in ('train', 'val')}
    for split, index, scene in folder.scenes(progress):
        number, known = index + 1, content[split]
        name = f'{number:012d}.jpg'
        folder.save(f'{split}2017/{name}', scene.image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        known['images'].append(dict(id=number, file_name=name, height=height, width=width))
        for thing in scene.instances:
            if thing.area >= SMALLEST_AREA:
                known['annotations'].append(
                    dict(id=len(known['annotations']) + 1, image_id=number, **_annotation(thing))
                )
    for split, known in content.items():
        path = folder.root / f'annotations/instances_{split}2017.json'
        path.write_text(json.dumps(known), encoding='utf-8')
    (folder.root / 'README.txt').write_text(_README.format(marker=MARKER), encoding='utf-8')
    return folder.finish()


def _empty() -> dict[str, Any]:
    info = dict(description="synthetic demo data in COCO's layout, not COCO")
    categories = [dict(id=i, name=name) for name, i in COCO_IDS.items()]
    return dict(info=info, licenses=[], images=[], annotations=[], categories=categories)


def _annotation(thing: Instance) -> dict[str, Any]:
    from pycocotools.mask import encode

    mask = encode(np.asfortranarray(thing.mask.astype(np.uint8)))
    left, top, right, bottom = (int(v) for v in thing.box)
    return dict(
        category_id=COCO_IDS[CLASSES[thing.label]],
        bbox=[left, top, right - left, bottom - top],
        area=int(thing.area),
        iscrowd=0,
        segmentation=dict(size=list(map(int, mask['size'])), counts=mask['counts'].decode()),
    )
