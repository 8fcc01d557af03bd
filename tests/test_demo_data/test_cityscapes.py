"""The Cityscapes layout on disk, as mmseg's own data set class reads it."""

import numpy as np
import pytest

from nasvit_mm.demo_data import CITYSCAPES_INDEX, CLASSES, VOID, folder, render_scene
from nasvit_mm.demo_data import write_cityscapes as write

SMALL = {'num_train': 3, 'num_val': 2, 'height': 64, 'width': 96, 'progress': False}
WORDS = {'mountain': 'terrain', 'grass': 'terrain', 'tree': 'vegetation'}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'cityscapes'
    assert write(root, **SMALL).fresh
    assert not write(root, **SMALL).fresh
    return root


def test_indices_are_mmsegs():
    classes = pytest.importorskip('mmseg.datasets').CityscapesDataset.METAINFO['classes']
    assert set(CITYSCAPES_INDEX) == set(CLASSES)
    named = {n: classes[i] for n, i in CITYSCAPES_INDEX.items() if i != VOID}
    assert named == {n: WORDS.get(n, n) for n in named}
    assert set(CLASSES) - set(named) == {'water', 'boat'}


@pytest.mark.parametrize('split, count', [('train', 3), ('val', 2)])
def test_mmseg_reads_it(root, split, count):
    pytest.importorskip('mmseg')
    from mmseg.datasets import transforms  # noqa: F401  registers them
    from mmseg.registry import DATASETS

    data = DATASETS.build(
        {
            'type': 'mmseg.CityscapesDataset',
            'data_root': str(root),
            'data_prefix': {'img_path': f'leftImg8bit/{split}', 'seg_map_path': f'gtFine/{split}'},
            'pipeline': [
                {'type': 'LoadImageFromFile'},
                {'type': 'mmseg.LoadAnnotations'},
                {'type': 'mmseg.PackSegInputs'},
            ],
        }
    )
    assert len(data) == count
    to_index = np.full(256, VOID)
    to_index[: len(CLASSES)] = [CITYSCAPES_INDEX[name] for name in CLASSES]
    for i in range(count):
        item, scene = data[i], render_scene(folder.scene_seed(0, split, i), 64, 96)
        labels = item['data_samples'].gt_sem_seg.data[0].numpy()
        assert np.array_equal(labels, to_index[scene.labels])
        image = item['inputs'].permute(1, 2, 0).numpy()[..., ::-1]  # mmseg gives BGR
        assert np.array_equal(image, scene.image)
    assert 'NOT Cityscapes' in (root / 'README.txt').read_text()
