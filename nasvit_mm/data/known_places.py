"""Where the data sets of this project's configs come from: the command that fetches each."""

from __future__ import annotations

from pathlib import PurePath

FETCHED = {  # name of nasvit-mm data -> the folder that configs name
    'camvid': 'data/camvid',
    'bccd': 'data/bccd',
    'cifar10': 'data/cifar10',
    'tiny_imagenet20': 'data/tiny_imagenet20',
    'ade20k': 'data/ade/ADEChallengeData2016',
    'coco': 'data/coco',
    'cityscapes': 'data/cityscapes',
    'imagenet': 'data/imagenet',
}
DRAWN = 'data/demo'


def how_to_get(root: str) -> str:
    """Return the sentence that says how the data of a folder are to be had; '' if not known."""
    parts = PurePath(root).parts
    if PurePath(DRAWN).parts == parts[:2]:
        return 'Draw it: nasvit-mm demo-data. '
    for name, folder in FETCHED.items():
        known = PurePath(folder).parts
        if parts[-len(known) :] == known:
            return f'Fetch it: nasvit-mm data {name}. '
    return ''
