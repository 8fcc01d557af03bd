"""Patches of the scenes in ImageNet's folders."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nasvit_mm.data import ImageFolder
from nasvit_mm.demo_data import CLASSES, THINGS, Label, render_scene, write_patches
from nasvit_mm.demo_data.patches import _patches, _surfaces

SMALL = dict(num_train=30, num_val=30, height=128, width=192, progress=False)


def test_the_folders_and_again(tmp_path):
    done = write_patches(tmp_path / 'patches', **SMALL)
    assert done.fresh and not write_patches(tmp_path / 'patches', **SMALL).fresh
    for split in ('train', 'val'):
        data = ImageFolder(str(tmp_path / 'patches'), split, dict(input_size=48, is_training=False))
        assert data.classes == sorted(CLASSES) and len(data) > 20
        assert data[0]['inputs'].shape == (3, 48, 48)
    picture = next((tmp_path / 'patches/train/sky').iterdir())
    assert Image.open(picture).size == (64, 64)
    before = {p.name: p.read_bytes() for p in (tmp_path / 'patches/train/tree').iterdir()}
    picture.unlink()  # damaged: written anew, the same
    assert write_patches(tmp_path / 'patches', **SMALL).fresh and picture.is_file()
    assert before == {p.name: p.read_bytes() for p in (tmp_path / 'patches/train/tree').iterdir()}
    with pytest.raises(FileExistsError, match='in the layout'):
        write_patches(tmp_path / 'patches', side=32, **SMALL)


def test_too_few_scenes(tmp_path):
    with pytest.raises(ValueError, match='no picture for train/.* more scenes are needed'):
        write_patches(tmp_path / 'few', **dict(SMALL, num_train=1))


@pytest.mark.parametrize('label', Label)
def test_a_patch_shows_its_class(label):
    """Surfaces cover most of a patch, things lie inside it; a scene without it gives none."""
    shown = 0
    for seed in range(12):
        scene, rng = render_scene(seed), np.random.default_rng(0)
        patches = _patches(scene, label, rng, 2)
        assert len(patches) <= 2 and all(p.shape[0] == p.shape[1] > 0 for p in patches)
        shown += len(patches)
        if not (scene.labels == label).any():
            assert not patches
        if label not in THINGS:
            for left, top, side in _surfaces(scene, label, rng, 2):
                part = scene.labels[top : top + side, left : left + side]
                assert (part == label).mean() >= 0.6
    assert shown
