"""COCO JSON as tools write it, completed when it is loaded: iscrowd, area, numbers from 0."""

from __future__ import annotations

from typing import Any


def complete_coco() -> None:
    """Have mmdet's reader of COCO JSON add what is missing; whole files stay as they are.

    Data sets and metrics read the file on their own, by one class, so it is changed in place.
    """
    try:
        from mmdet.datasets.api_wrappers import COCO
    except ImportError:
        return  # a segmentor or a classifier needs no mmdet
    if getattr(COCO.createIndex, 'completes', False):
        return
    index = COCO.createIndex

    def create_index(self: Any) -> None:
        complete(self.dataset)
        index(self)

    create_index.completes = True
    COCO.createIndex = create_index


def complete(content: dict[str, Any]) -> None:
    """Add what annotations lack, in place.

    ``iscrowd`` becomes 0, and ``area`` that of the box.  Where an annotation has the id 0, all ids
    are counted up by one, for pycocotools takes a match with number 0 for none.
    """
    annotations = content.get('annotations') or ()
    for one in annotations:
        one.setdefault('iscrowd', 0)
        if 'area' not in one and 'bbox' in one:
            one['area'] = one['bbox'][2] * one['bbox'][3]
    if any(one.get('id') == 0 for one in annotations):
        for one in annotations:
            one['id'] += 1
