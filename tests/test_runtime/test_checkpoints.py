"""A training may be killed at any moment: nothing whole is lost, and what resumes is the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nasvit_mm import apis
from nasvit_mm.checkpoints import read_checkpoint
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import latest_checkpoint
from tests.test_runtime.toy import ToyModel, quick_runs, toy_config

SCORES = {'model.scores': (1, 1, 1, 2, 2, 3, 3, 2, 2, 2)}  # the best is at step 6


class Killed(BaseException):
    """What nothing catches, as a signal."""


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with quick_runs():
        yield


def content(path: Path) -> dict[str, torch.Tensor]:
    return dict(read_checkpoint(path).state)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob('*.pth*')}


def metrics(runner: Any) -> dict[str, float]:
    info = runner.message_hub.runtime_info
    return {key: info[key] for key in ('best_score', 'place_of_validation')}


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of a run that nothing stops, and its runner."""
    folder = tmp_path_factory.mktemp('whole')
    with quick_runs():
        return folder, apis.train(toy_config(folder), options=SCORES)


def killed_at(name: str, times: int, monkeypatch: pytest.MonkeyPatch, owner: Any = os) -> Callable:
    """Let the call of a function so many times from now end the run before it does anything."""
    real, calls = getattr(owner, name), []

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == times:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)
    return real


def test_one_is_kept_and_the_best(whole: tuple) -> None:
    assert files(whole[0]) == {'iter_10.pth', 'best_toy_acc_iter_6.pth'}
    assert metrics(whole[1])['best_score'] == pytest.approx(3, abs=0.01)


# A step of two writes a checkpoint, and once more with the best that it turned out to be.
@pytest.mark.parametrize('moment', range(2, 10))
@pytest.mark.parametrize('where', ['fsync', 'replace'])
def test_killed_while_it_writes(
    where: str, moment: int, whole: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of a file, or before it takes the place of the old one."""
    real = killed_at(where, moment, monkeypatch)
    with pytest.raises(Killed):
        apis.train(toy_config(tmp_path), options=SCORES)
    monkeypatch.setattr(os, where, real)
    whole_files = [path for path in tmp_path.glob('*.pth')]
    assert any(path.name.startswith('iter_') for path in whole_files)
    assert all(content(path) for path in whole_files), 'what has its name is whole'
    runner = apis.train(toy_config(tmp_path), resume=True, options=SCORES)
    assert files(tmp_path) == files(whole[0]) and metrics(runner) == metrics(whole[1])
    for name in files(tmp_path):
        ours, theirs = content(tmp_path / name), content(whole[0] / name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize('moment', [3, 5])
def test_killed_in_a_validation(
    moment: int, whole: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best is in it: it comes first when the run resumes."""
    real = killed_at('val_step', moment, monkeypatch, ToyModel)
    with pytest.raises(Killed):
        apis.train(toy_config(tmp_path), options=SCORES)
    monkeypatch.setattr(ToyModel, 'val_step', real)
    assert latest_checkpoint(tmp_path) == str(tmp_path / f'iter_{2 * moment}.pth')
    runner = apis.train(toy_config(tmp_path), resume=True, options=SCORES)
    assert files(tmp_path) == files(whole[0]) and metrics(runner) == metrics(whole[1])


def test_the_place_of_the_last_validation(
    whole: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no metric in the log, and is found under the name of before."""
    info = whole[1].message_hub.runtime_info
    assert not [key for key in info if key.startswith(('train', 'val', 'test'))]
    shutil.copytree(whole[0], tmp_path / 'copy')
    path = tmp_path / 'copy/iter_10.pth'
    checkpoint = torch.load(path, weights_only=False)
    hub = checkpoint['message_hub']['runtime_info']
    hub.pop('place_of_validation', None)
    hub['validated'] = [0, 10]
    torch.save(checkpoint, path)
    monkeypatch.setattr(ToyModel, 'val_step', None)  # nothing is left to validate
    again = apis.train(toy_config(tmp_path / 'copy'), resume=True).message_hub.runtime_info
    assert 'validated' not in again and again['place_of_validation'] == [0, 10]


def test_a_copied_folder_leaves_its_source_alone(whole: tuple, tmp_path: Path) -> None:
    """Neither is it resumed from, nor are its files deleted; the best is the copy's own."""
    source, copy = tmp_path / 'source', tmp_path / 'copy'
    cfg = toy_config(source)
    apis.train(cfg, options={**SCORES, 'train_cfg.max_iters': 6, 'param_scheduler': None})
    shutil.copytree(source, copy)
    before = {name: (source / name).read_bytes() for name in files(source)}
    assert before.keys() == {'iter_6.pth', 'best_toy_acc_iter_6.pth'}
    better = {'model.scores': (1, 1, 1, 2, 2, 3, 4, 4, 2), 'param_scheduler': None}
    apis.train(cfg, resume=True, work_dir=copy, options=better)
    assert {name: (source / name).read_bytes() for name in files(source)} == before
    assert files(copy) == {'iter_10.pth', 'best_toy_acc_iter_8.pth'}


def test_by_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = toy_config(tmp_path)
    cfg['train_cfg'] = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)
    cfg['train_dataloader']['sampler']['type'] = 'DefaultSampler'
    cfg['param_scheduler'] = None
    cfg['default_hooks']['checkpoint'].update(by_epoch=True, interval=1)
    cfg['log_processor'] = dict(by_epoch=True)
    options = {'model.scores': (1, 1, 1, 1, 2)}
    real = killed_at('val_step', 2, monkeypatch, ToyModel)
    with pytest.raises(Killed):
        apis.train(cfg, options=options)
    monkeypatch.setattr(ToyModel, 'val_step', real)
    assert files(tmp_path) == {'epoch_2.pth', 'best_toy_acc_epoch_1.pth'}
    apis.train(cfg, resume=True, options=options)
    assert files(tmp_path) == {'epoch_2.pth', 'best_toy_acc_epoch_2.pth'}


def test_a_best_of_two_metrics(tmp_path: Path) -> None:
    cfg = toy_config(tmp_path)
    cfg['val_evaluator'] = [
        dict(type='nasvit_mm.ToyMetric'),
        dict(type='nasvit_mm.ToyMetric', prefix='other'),
    ]
    cfg['default_hooks']['checkpoint']['save_best'] = ['toy/acc', 'other/acc']
    apis.train(cfg, options=SCORES)
    names = {'iter_10.pth', 'best_toy_acc_iter_6.pth', 'best_other_acc_iter_6.pth'}
    assert files(tmp_path) == names


def test_a_best_that_no_validation_gives(tmp_path: Path) -> None:
    """The remedy goes on from what is kept."""
    key = 'default_hooks.checkpoint.save_best'
    with pytest.raises(UsageError, match=r'toy/ac.*did you mean toy/acc\?.*--resume'):
        apis.train(toy_config(tmp_path), options={key: 'toy/ac'})
    assert files(tmp_path) == {'iter_2.pth'}
    apis.train(toy_config(tmp_path), resume=True, options={key: 'toy/acc'})
    assert files(tmp_path) == {'iter_10.pth', 'best_toy_acc_iter_10.pth'}
