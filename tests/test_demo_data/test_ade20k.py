"""The ADE20K layout on disk, as mmseg's own data set class reads it."""

import json
import runpy
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from nasvit_mm.cli.common import run
from nasvit_mm.demo_data import ADE20K_INDEX, CLASSES, ade20k, folder, render_scene, write_ade20k

TOOL = Path(__file__).parents[2] / 'tools' / 'demo_data.py'
SMALL = {'num_train': 3, 'num_val': 2, 'height': 64, 'width': 96, 'progress': False}


def _content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'ADEChallengeData2016'
    assert write_ade20k(root, **SMALL).fresh
    return root


@pytest.fixture(scope='module')
def full(tmp_path_factory):
    """The data set at its default size."""
    return write_ade20k(tmp_path_factory.mktemp('demo') / 'full', progress=False)


def test_files(root):
    for split, name, count in (('training', 'train', 3), ('validation', 'val', 2)):
        stems = [f'ADE_{name}_{i:08d}' for i in range(1, count + 1)]
        assert sorted(p.name for p in (root / 'images' / split).iterdir()) == [
            s + '.jpg' for s in stems
        ]
        labels = sorted((root / 'annotations' / split).iterdir())
        assert [p.name for p in labels] == [s + '.png' for s in stems]
    assert 'NOT ADE20K' in (root / 'README.txt').read_text()


def test_indices_are_mmsegs():
    classes = pytest.importorskip('mmseg.datasets').ADE20KDataset.METAINFO['classes']
    assert set(ADE20K_INDEX) == set(CLASSES)
    assert {name: classes[index].strip() for name, index in ADE20K_INDEX.items()} == {
        name: name for name in CLASSES
    }


@pytest.mark.parametrize(
    'split, prefix, count', [('training', 'train', 3), ('validation', 'val', 2)]
)
def test_mmseg_reads_it(root, split, prefix, count):
    pytest.importorskip('mmseg')
    from mmseg.datasets import transforms  # noqa: F401  registers them
    from mmseg.registry import DATASETS

    # scopes are spelled out: a default scope would leak into other tests
    pipeline = [
        {'type': 'LoadImageFromFile'},
        {'type': 'mmseg.LoadAnnotations', 'reduce_zero_label': True},
        {'type': 'mmseg.PackSegInputs'},
    ]
    data = DATASETS.build(
        {
            'type': 'mmseg.ADE20KDataset',
            'data_root': str(root),
            'data_prefix': {'img_path': f'images/{split}', 'seg_map_path': f'annotations/{split}'},
            'pipeline': pipeline,
        }
    )
    assert len(data) == count
    to_index = np.full(256, 255)
    to_index[: len(CLASSES)] = [ADE20K_INDEX[name] for name in CLASSES]
    for i in range(count):
        item = data[i]
        labels = item['data_samples'].gt_sem_seg.data[0].numpy()
        assert ((labels < 150) | (labels == 255)).all()
        scene = render_scene(folder.scene_seed(0, prefix, i), 64, 96)
        assert np.array_equal(labels, to_index[scene.labels])
        image = item['inputs'].permute(1, 2, 0).numpy()[..., ::-1]  # mmseg gives BGR
        error = np.abs(image.astype(int) - scene.image)
        assert error.mean() < 6  # JPEG; channels in the wrong order would be far off


def test_train_and_val_share_no_seed():
    seeds = {
        split: {folder.scene_seed(seed, split, i) for seed in (0, 1, 2, 50) for i in range(2000)}
        for split in folder.SPLITS
    }
    assert not seeds['train'] & seeds['val']
    assert all(len(found) == 4 * 2000 for found in seeds.values())  # nor do data sets of two seeds


def test_same_call_returns_at_once(root, monkeypatch):
    before = _content(root)
    monkeypatch.setattr(folder, 'render_scene', None)  # drawing would fail
    again = write_ade20k(root, **SMALL)
    assert not again.fresh
    assert again.counts == {'train': 3, 'val': 2}
    assert sum(again.shares['val'].values()) == pytest.approx(1)
    assert _content(root) == before


def test_interrupted_write_is_redone(root, tmp_path, monkeypatch):
    calls = []

    def power_cut(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return render_scene(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(folder, 'render_scene', power_cut)
        with pytest.raises(KeyboardInterrupt):
            write_ade20k(tmp_path / 'ade', **SMALL)
    marker = json.loads((tmp_path / 'ade' / folder.MARKER).read_text())
    assert marker['complete'] is False
    assert write_ade20k(tmp_path / 'ade', **SMALL).fresh
    assert _content(tmp_path / 'ade') == _content(root)


def test_lost_picture_is_noticed(tmp_path):
    write_ade20k(tmp_path, **SMALL)
    lost = tmp_path / 'images/training/ADE_train_00000002.jpg'
    lost.unlink()
    assert write_ade20k(tmp_path, **SMALL).fresh
    assert lost.exists()


def test_other_arguments_replace_the_pictures(tmp_path):
    write_ade20k(tmp_path, **SMALL)
    mine = tmp_path / 'images' / 'training' / 'notes.txt'
    mine.write_text("not the writer's")
    assert write_ade20k(tmp_path, **SMALL | {'num_train': 1, 'seed': 1}).fresh
    assert len(list((tmp_path / 'images' / 'training').glob('*.jpg'))) == 1
    assert len(list((tmp_path / 'annotations' / 'training').glob('*.png'))) == 1
    assert mine.exists()


def test_foreign_folder_is_left_alone(tmp_path):
    real = tmp_path / 'annotations' / 'training' / 'ADE_train_00000001.png'
    real.parent.mkdir(parents=True)
    real.write_bytes(b'precious')
    with pytest.raises(FileExistsError, match='not demo data'):
        write_ade20k(tmp_path, **SMALL)
    assert _content(tmp_path) == {str(real.relative_to(tmp_path)): b'precious'}
    with pytest.raises(FileExistsError, match='is a file'):
        write_ade20k(real, **SMALL)


def test_another_layout_is_left_alone(tmp_path):
    (tmp_path / folder.MARKER).write_text('{"layout": "coco"}')
    with pytest.raises(FileExistsError, match="'coco'"):
        write_ade20k(tmp_path, **SMALL)
    (tmp_path / folder.MARKER).write_text('{"layo')
    with pytest.raises(FileExistsError, match='damaged'):
        write_ade20k(tmp_path, **SMALL)


@pytest.mark.parametrize(
    'name, value', [('num_train', 0), ('num_val', -1), ('height', 31), ('seed', -1)]
)
def test_bad_arguments_touch_nothing(tmp_path, name, value):
    with pytest.raises(ValueError, match=f'{name} = {value}'):
        write_ade20k(tmp_path / 'new', **SMALL | {name: value})
    assert not (tmp_path / 'new').exists()


def test_every_class_is_well_represented(full):
    small = {'person', 'car', 'bus', 'boat'}
    for share in full.shares.values():
        assert share['unlabelled'] < 0.03
        for name in CLASSES:
            assert share[name] > (0.001 if name in small else 0.003), (name, share)


def test_shares_are_those_on_disk(full):
    pixels = np.zeros(256)
    for path in (full.root / 'annotations' / 'validation').iterdir():
        pixels += np.bincount(cv2.imread(str(path), cv2.IMREAD_UNCHANGED).ravel(), minlength=256)
    pixels /= pixels.sum()
    for name, index in ADE20K_INDEX.items():
        assert full.shares['val'][name] == pytest.approx(pixels[index + 1])
    assert full.shares['val']['unlabelled'] == pytest.approx(pixels[0])


def test_command(tmp_path, capsys):
    main = runpy.run_path(str(TOOL))['main']
    arguments = ['--num-train', '2', '--num-val', '1', '--height', '48', '--width', '64']
    main(['--layout', 'ade20k', '--out', str(tmp_path / 'ade'), *arguments])
    printed = capsys.readouterr().out
    assert str(tmp_path / 'ade') in printed and 'synthetic' in printed
    assert all(name in printed for name in CLASSES)
    for bad, message in (
        (['--height', '16'], 'height = 16'),
        (['--num-val', '-3'], 'num_val = -3'),
        (['--layout', 'voc'], 'ade20k'),
        (['--out', str(Path(ade20k.__file__).parent)], 'not demo data'),
    ):
        with pytest.raises(SystemExit) as stop:
            run(partial(main, ['--out', str(tmp_path / 'ade'), *arguments, *bad]))
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert message in error and 'Traceback' not in error
