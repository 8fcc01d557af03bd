"""From which checkpoint a run resumes, and what is said of the difference."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from nasvit_mm import apis
from nasvit_mm.checkpoints import read_checkpoint
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import (
    check_resumed,
    differences_table,
    differing_processes,
    latest_checkpoint,
)
from tests.test_runtime.toy import quick_runs, toy_config

NOW = dict(
    train_dataloader=dict(batch_size=4, num_workers=2, dataset=dict(data_root='data')),
    train_cfg=dict(max_iters=100, val_interval=10),
    optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01, betas=(0.9, 0.999))),
    param_scheduler=[dict(type='PolyLR', begin=0, by_epoch=False)],
)
STATE = dict(state_dict=dict(w=torch.zeros(1)), optimizer={}, param_schedulers=[], message_hub={})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / 'run/iter_10.pth'
    path.parent.mkdir()
    meta = dict(iter=10, epoch=0, cfg=Config(NOW).pretty_text, processes=2)
    torch.save(dict(STATE, meta=meta), path)
    (path.parent / 'last_checkpoint').write_text(str(path))
    return path


def check(cfg: Config, path: Path, fit: bool = False) -> list:
    return check_resumed(cfg, str(path), read_checkpoint(path), fit)


def changed(options: dict) -> Config:
    cfg = Config(NOW)
    cfg.merge_from_dict(options)
    return cfg


def test_a_copied_folder_resumes_from_its_own_files(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved.parent, tmp_path / 'copy')
    assert latest_checkpoint(str(tmp_path / 'copy')) == str(tmp_path / 'copy/iter_10.pth')
    (tmp_path / 'copy/iter_10.pth').unlink()
    assert latest_checkpoint(str(tmp_path / 'copy')) is None


def test_nothing_is_said_of_what_is_the_same(saved: Path) -> None:
    assert check(changed({'train_dataloader.num_workers': 0}), saved) == []


def test_what_differs_is_said_in_a_table(saved: Path) -> None:
    cfg = changed({'train_dataloader.batch_size': 8, 'optim_wrapper.optimizer.lr': 0.1})
    found = check(cfg, saved) + differing_processes(read_checkpoint(saved).meta)
    text = differences_table(found, str(saved))
    assert [line.split() for line in text.splitlines()[2:]] == [
        ['train_dataloader.batch_size', '4', '8', 'that', 'of', 'now'],
        ['optim_wrapper.optimizer.lr', '0.01', '0.1', 'the', "checkpoint's"],
        ['processes', '2', '1', 'that', 'of', 'now'],
    ]


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'train_cfg.max_iters': 200}, r'max_iters = 200, but .* max_iters = 100.*--fit-schedule'),
        ({'optim_wrapper.optimizer.type': 'SGD'}, 'SGD, but .* has the state of AdamW'),
    ],
)
def test_what_cannot_be_resumed(options: dict, said: str, saved: Path) -> None:
    with pytest.raises(UsageError, match=said):
        check(changed(options), saved)


NOT_PLAIN = {  # of the text of a config, in which types need not be known: nothing is built
    'infinite': 'optim_wrapper = dict(clip_grad=dict(max_norm=inf, min=-inf))',
    'own scope': "custom_hooks = [dict(type='toyh.MyHook')]",
    'full path': "custom_hooks = [dict(type='mmengine.hooks.EmptyCacheHook')]",
    'a class': 'custom_hooks = [dict(type=toyh.MyHook)]',
    'no Python': 'custom_hooks = [dict(type=<class toyh.MyHook>)]',
}


@pytest.mark.parametrize('text', NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_a_longer_run_than_one_whose_config_is_not_plain(
    text: str, saved: Path, logged: list[str]
) -> None:
    """Where none of it can be read, the schedule that the checkpoint carries tells its length."""
    content = torch.load(saved)
    content['meta']['cfg'] = f'{content["meta"]["cfg"]}\n{text}\n'
    warm_up = dict(by_epoch=False, end=5, start_factor=0.1)
    content['param_schedulers'] = [warm_up, dict(by_epoch=False, end=100)]
    torch.save(content, saved)
    with pytest.raises(UsageError, match=r'max_iters = 200, but .* max_iters = 100'):
        check(changed({'train_cfg.max_iters': 200}), saved)
    assert ['is not compared' in line for line in logged] == [True] * (
        'class' in text or '=toyh' in text
    )


def test_what_can_be_read_of_a_config_is_compared(saved: Path, logged: list[str]) -> None:
    content = torch.load(saved)
    content['meta']['cfg'] = 'train_cfg = dict(max_iters=100, val_interval=5)\nlauncher = here.it\n'
    torch.save(content, saved)
    assert check(Config(NOW), saved) == []
    found = check(changed({'train_cfg.max_iters': 200}), saved, fit=True)
    assert [(d.key, d.then, d.now) for d in found] == [('train_cfg.max_iters', 100, 200)]


def test_nothing_is_left_to_train(saved: Path, logged: list[str]) -> None:
    with pytest.raises(UsageError, match=r'max_iters = 4, but .* has done 10 iterations: nothing'):
        check(changed({'train_cfg.max_iters': 4}), saved, fit=True)
    assert not logged
    check(changed({'train_cfg.max_iters': 10}), saved, fit=True)
    assert len(logged) == 1 and 'is at 10 of 10 iterations: nothing is left' in logged[0]


def test_a_longer_run_with_a_fitted_schedule(saved: Path) -> None:
    cfg = changed({'train_cfg.max_iters': 200})
    assert [d.key for d in check(cfg, saved, fit=True)] == ['train_cfg.max_iters']


@pytest.mark.parametrize('meta', [{}, dict(iter='ten', epoch=0), dict(iter=1), 'a text'])
def test_files_of_no_training(meta: object, tmp_path: Path) -> None:
    path = tmp_path / 'x.pth'
    torch.save(dict(STATE, meta=meta), path)
    with pytest.raises(UsageError, match='does not say how far .*load_from'):
        check(Config(NOW), path)


@pytest.mark.parametrize('missing', ['optimizer', 'param_schedulers', 'message_hub'])
def test_files_without_what_a_training_resumes_with(missing: str, tmp_path: Path) -> None:
    path = tmp_path / 'best_mIoU_iter_10.pth'
    meta = dict(iter=10, epoch=0)
    torch.save({**{k: v for k, v in STATE.items() if k != missing}, 'meta': meta}, path)
    with pytest.raises(UsageError, match=f'has no {missing}.*load_from={path}'):
        check(Config(NOW), path)


# ------------------------------------------------------------------ damaged files
def flip(path: Path, start: int, size: int) -> None:
    """Damage so many bytes of a file: one bit of a single one, else all of them to 0."""
    content = bytearray(path.read_bytes())
    content[start : start + size] = [content[start] ^ 1] if size == 1 else bytes(size)
    path.write_bytes(content)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder with three checkpoints, whose pointer names the newest."""
    for number in (10, 20, 30):
        weights = torch.arange(10000.0) + number
        torch.save(dict(state_dict=dict(w=weights)), tmp_path / f'iter_{number}.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_30.pth'))
    return tmp_path


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said before there is a runner, whose log would have it."""
    lines: list[str] = []
    monkeypatch.setattr('nasvit_mm.runtime.resume.print_log', lambda text, *_: lines.append(text))
    return lines


@pytest.mark.parametrize('pointer', [True, False])
@pytest.mark.parametrize('size', [1, 4096])
def test_the_newest_whole_one(pointer: bool, size: int, three: Path, logged: list[str]) -> None:
    if not pointer:
        (three / 'last_checkpoint').unlink()
    flip(three / 'iter_30.pth', 20000, size)
    assert latest_checkpoint(three) == str(three / 'iter_20.pth')
    assert [line[: line.index(' (')] for line in logged] == [f'passed over: {three}/iter_30.pth']


def test_those_of_an_earlier_longer_run_come_last(three: Path) -> None:
    (three / 'last_checkpoint').write_text('iter_20.pth')
    flip(three / 'iter_20.pth', 20000, 1)
    assert latest_checkpoint(three) == str(three / 'iter_10.pth')
    flip(three / 'iter_10.pth', 20000, 1)
    assert latest_checkpoint(three) == str(three / 'iter_30.pth')


def test_none_is_whole(three: Path) -> None:
    """Then nothing is written over: a fresh start has to be asked for."""
    for path in three.glob('*.pth'):
        path.write_bytes(path.read_bytes()[:-100])
    cfg = toy_config(three)
    with pytest.raises(UsageError, match=r'no checkpoint in .* is whole .*begin anew without'):
        apis.train(cfg, resume=True)
    with quick_runs():
        assert apis.train(cfg).iter == 10


# ------------------------------------------------------------------ whole runs
@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The folder of a run of ten steps."""
    with quick_runs():
        apis.train(toy_config(tmp_path / 'run'), options={'model.scores': (3, 2, 1)})
        yield tmp_path / 'run'


def test_the_remedy_for_a_best_checkpoint(run: Path, tmp_path: Path) -> None:
    best = run / 'best_toy_acc_iter_2.pth'
    cfg = toy_config(tmp_path / 'other')
    with pytest.raises(UsageError, match='--cfg-options load_from=') as caught:
        apis.train(cfg, resume=best)
    key, value = str(caught.value).split('--cfg-options ')[1].split('=')
    assert apis.train(cfg, options={key: value}).iter == 10
    named = apis.train(cfg, resume=run / 'iter_10.pth')  # the other remedy, of the file it names
    assert named.iter == 10


def test_another_length_and_its_remedies(run: Path) -> None:
    cfg = toy_config(run)
    cfg['train_cfg']['max_iters'] = cfg['param_scheduler'][0]['end'] = 20
    with pytest.raises(UsageError, match='give --fit-schedule .* or --cfg-options') as caught:
        apis.train(cfg, resume=True)
    key, value = str(caught.value).split('--cfg-options ')[1].split('=')
    old = {key: int(value), 'param_scheduler.0.end': int(value)}
    assert apis.train(cfg, resume=True, options=old).iter == 10
    assert apis.train(cfg, resume=True, fit_schedule=True).iter == 20


def test_a_checkpoint_is_read_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, load = [], torch.load

    def count(file: object, *args: object, **kwargs: object) -> object:
        loads.append(file)
        return load(file, *args, **kwargs)

    monkeypatch.setattr('nasvit_mm.checkpoints.reading._load', count)
    runner = apis.train(toy_config(run), resume=True)
    assert loads == [str(run / 'iter_10.pth')] and runner.iter == 10


def test_an_empty_folder_is_said(tmp_path: Path, logged: list[str]) -> None:
    with quick_runs():
        apis.train(toy_config(tmp_path), resume=True)
    assert logged == [f'{tmp_path} has no checkpoint yet: a fresh start']


def test_the_number_of_processes_is_in_the_checkpoint(run: Path) -> None:
    assert read_checkpoint(run / 'iter_10.pth').meta['processes'] == 1
