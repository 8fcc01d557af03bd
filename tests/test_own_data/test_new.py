"""A task of one's own data: laid out, divided, checked, with configs that load."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image

from nasvit_mm.cli.new import main
from nasvit_mm.errors import UsageError
from nasvit_mm.own_data import find_layout, new_task
from nasvit_mm.own_data.dividing import divide, held_out
from nasvit_mm.search import read_search
from tests.test_own_data import drawn
from tests.test_own_data.drawn import scene

TASKS = {'seg': drawn.folders, 'det': drawn.coco, 'cls': drawn.classes}


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the checks before a training, which build a model."""
    monkeypatch.setattr('nasvit_mm.own_data.make.check', lambda *_: None)


@pytest.mark.parametrize('task', TASKS)
def test_a_task(tmp_path: Path, task: str) -> None:
    """The checks before a training have passed all splits, and the configs say what is there."""
    made = new_task(TASKS[task](tmp_path / 'data'), task, tmp_path / 'task', say=quiet)
    assert {split: bool(items) for split, items in made.laid.splits.items()} == dict.fromkeys(
        ('train', 'val', 'test'), True
    )
    assert Image.open(made.folder / 'sheet.png').width > 100
    cfg = Config.fromfile(made.folder / 'supernet.py')
    assert cfg.model.type == 'nasvit_mm.Supernet'
    search = Config.fromfile(made.folder / 'search.py')
    plan = read_search(search, search.filename)
    assert plan.problem.objectives[1].metric == 'macs'
    deploy = Config.fromfile(made.folder / 'deploy.py')
    (spec,) = read_search(deploy, deploy.filename).evaluators
    assert spec.type == 'ArtefactEvaluator' and spec.options['runtime'] == 'openvino'


def test_a_mistake_that_the_checks_find_names_the_users_file(tmp_path: Path) -> None:
    """An image that lies on its side, with a mask that does not."""
    data, exif = drawn.folders(tmp_path / 'data'), Image.Exif()
    exif[0x0112] = 6
    drawn.save(data / 'images/001.jpg', scene(1)[0], exif=exif.tobytes())
    with pytest.raises(UsageError, match='EXIF orientation') as error:
        new_task(data, 'seg', tmp_path / 'task', say=quiet)
    assert str(data / 'images/001.jpg') in str(error.value) and '.part' not in str(error.value)


@pytest.mark.usefixtures('unchecked')
def test_names_that_could_break_a_config(tmp_path: Path) -> None:
    """Of classes and folders: quotes, and what stands for a value in a template or in mmengine."""
    names = ('it\'s "one"', '<width> \\ {{fileDirname}}', 'three')
    table = drawn.write(tmp_path / 'names', '\n'.join(names))
    data = drawn.folders(tmp_path / 'a "quoted" {{x}} folder')
    made = new_task(data, 'seg', tmp_path / 'to """ \'it', classes=table, say=quiet)
    assert Config.fromfile(made.folder / 'task.py').metainfo.classes == names


@pytest.mark.usefixtures('unchecked')
@pytest.mark.parametrize('task', ['seg', 'det'])
def test_images_of_many_sizes(tmp_path: Path, task: str) -> None:
    data = TASKS[task](tmp_path / 'data')
    if task == 'seg':
        drawn.save(data / 'images/001.jpg', scene(1)[0][:40])
        drawn.save(data / 'masks/001.png', scene(1)[1][:40])
    else:
        content = json.loads((data / 'boxes.json').read_text())
        content['images'][1].update(height=80)
        (data / 'boxes.json').write_text(json.dumps(content))
        drawn.save(data / 'images/001.jpg', np.vstack([scene(1)[0], scene(1)[0][:32]]))
    made = new_task(data, task, tmp_path / 'task', say=quiet)
    cfg = Config.fromfile(made.folder / 'task.py')
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    init_default_scope(cfg.default_scope)
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    assert len(batch['inputs']) == cfg.train_dataloader.batch_size


@pytest.mark.usefixtures('unchecked')
def test_converted_masks_and_links(tmp_path: Path) -> None:
    data = drawn.folders(tmp_path / 'data', np.array([0, 0, 255], np.uint8))
    made = new_task(data, 'seg', tmp_path / 'task', say=quiet)
    masks = sorted((made.folder / 'data/ann_dir').rglob('*.png'))
    assert len(masks) == 6 and not any(path.is_symlink() for path in masks)
    for path in masks:
        assert np.array_equal(np.array(Image.open(path)), scene(int(path.stem))[1] == 2)
    images = list((made.folder / 'data/img_dir').rglob('*.jpg'))
    assert len(images) == 6 and all(path.is_symlink() and path.is_file() for path in images)
    assert made.laid.counts['train'][1] > 0


@pytest.mark.usefixtures('unchecked')
def test_polygons_are_drawn(tmp_path: Path) -> None:
    data = drawn.coco(tmp_path / 'data')
    made = new_task(data, 'seg', tmp_path / 'task', coco=['boxes.json'], say=quiet)
    assert made.laid.classes == ('background', 'cup')
    for path in (made.folder / 'data/ann_dir').rglob('*.png'):
        assert np.array_equal(np.array(Image.open(path)), scene(int(path.stem))[1] == 2)


@pytest.mark.usefixtures('unchecked')
def test_nothing_is_written_over(tmp_path: Path) -> None:
    data = drawn.classes(tmp_path / 'data')
    made = new_task(data, 'cls', tmp_path / 'task', say=quiet)
    (made.folder / 'work').mkdir()
    before = (made.folder / 'task.py').read_text()
    (made.folder / 'task.py').write_text('# mine')
    with pytest.raises(UsageError, match='holds a task already: give another --out, or --force'):
        new_task(data, 'cls', tmp_path / 'task', say=quiet)
    new_task(data, 'cls', tmp_path / 'task', force=True, say=quiet)
    assert (made.folder / 'task.py').read_text() == before and (made.folder / 'work').is_dir()


def test_a_folder_of_the_users(tmp_path: Path) -> None:
    (tmp_path / 'task/data').mkdir(parents=True)
    with pytest.raises(UsageError, match='holds data, which nasvit-mm new has not written'):
        new_task(drawn.classes(tmp_path / 'data'), 'cls', tmp_path / 'task', force=True, say=quiet)


def test_a_mistake_leaves_nothing(tmp_path: Path) -> None:
    data = drawn.classes(tmp_path / 'data')
    (data / 'cat/000.jpg').write_bytes(b'no image')
    with pytest.raises(UsageError, match='cannot be read: .*000.jpg'):
        new_task(data, 'cls', tmp_path / 'task', say=quiet)
    assert not (tmp_path / 'task').exists() and not list(tmp_path.glob('*.part'))


@pytest.mark.usefixtures('unchecked')
def test_the_command_says_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = drawn.folders(tmp_path / 'data', np.array([0, 0, 255], np.uint8))
    main([str(data), '--task', 'seg', '--out', str(tmp_path / 'task')])
    out = capsys.readouterr().out
    for word in ('two folders', 'by this table', 'object', 'train (4)', 'sheet.png', 'batches of'):
        assert word in out


@pytest.mark.parametrize(
    'draw, task, splits',
    [
        (drawn.folders, 'seg', dict(train=4, val=1, test=1)),  # none
        (drawn.voc, 'seg', dict(train=3, val=1, test=2)),  # its val reports
        (drawn.classes, 'cls', dict(train=4, val=2, test=2)),  # of each class
    ],
    ids=['none', 'train and val', 'by class'],
)
def test_splits(tmp_path: Path, draw: Callable, task: str, splits: dict) -> None:
    found = find_layout(draw(tmp_path), task)
    divide(found, by_class=task == 'cls')
    assert {split: len(items) for split, items in found.splits.items()} == splits
    names = [item.name for items in found.splits.values() for item in items]
    assert len(set(names)) == len(names)


def test_splits_are_the_same_whatever_the_order(tmp_path: Path) -> None:
    (items,) = find_layout(drawn.classes(tmp_path, 40), 'cls').splits.values()
    first = held_out(items, lambda item: None)[1]
    again = held_out(items[::-1], lambda item: None)[1]
    assert {i.name for i in first} == {i.name for i in again} and len(first) == 4


def test_too_few_images(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='2 images with labels; at least 3'):
        divide(find_layout(drawn.folders(tmp_path, number=2), 'seg'))


def test_a_class_that_the_files_do_not_have(tmp_path: Path) -> None:
    data = drawn.coco(tmp_path / 'data')
    with pytest.raises(UsageError, match='plate is not among those of the files: cup'):
        new_task(data, 'det', tmp_path / 'task', classes='plate', say=quiet)


@pytest.mark.usefixtures('unchecked')
def test_boxes_keep_what_coco_says(tmp_path: Path) -> None:
    made = new_task(drawn.coco(tmp_path / 'data'), 'det', tmp_path / 'task', say=quiet)
    content = json.loads((made.folder / 'data/annotations/test.json').read_text())
    (one,) = content['annotations']
    assert one['segmentation'] and one['area'] == 14 * 12 and one['category_id'] == 1
