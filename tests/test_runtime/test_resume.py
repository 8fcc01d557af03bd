"""From which checkpoint a run resumes, and what is said of the difference."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import check_resumed, differences_table, latest_checkpoint

NOW = dict(
    train_dataloader=dict(batch_size=4, num_workers=2, dataset=dict(data_root='data')),
    train_cfg=dict(max_iters=100, val_interval=10),
    optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01, betas=(0.9, 0.999))),
    param_scheduler=[dict(type='PolyLR', begin=0, by_epoch=False)],
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / 'run/iter_10.pth'
    path.parent.mkdir()
    meta = dict(iter=10, epoch=0, cfg=Config(NOW).pretty_text)
    torch.save(dict(state_dict=dict(w=torch.zeros(1)), meta=meta), path)
    (path.parent / 'last_checkpoint').write_text(str(path))
    return path


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
    assert check_resumed(changed({'train_dataloader.num_workers': 0}), str(saved)) == []


def test_what_differs_is_said_in_a_table(saved: Path) -> None:
    cfg = changed({'train_dataloader.batch_size': 8, 'optim_wrapper.optimizer.lr': 0.1})
    text = differences_table(check_resumed(cfg, str(saved)), str(saved))
    assert [line.split() for line in text.splitlines()[2:]] == [
        ['train_dataloader.batch_size', '4', '8', 'that', 'of', 'now'],
        ['optim_wrapper.optimizer.lr', '0.01', '0.1', 'the', "checkpoint's"],
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
        check_resumed(changed(options), str(saved))


def test_a_longer_run_with_a_fitted_schedule(saved: Path) -> None:
    cfg = changed({'train_cfg.max_iters': 200})
    assert [d.key for d in check_resumed(cfg, str(saved), fit=True)] == ['train_cfg.max_iters']


@pytest.mark.parametrize('meta', [{}, dict(iter='ten', epoch=0), dict(iter=1)])
def test_files_of_no_training(meta: dict, tmp_path: Path) -> None:
    path = tmp_path / 'x.pth'
    torch.save(dict(state_dict=dict(w=torch.zeros(1)), meta=meta), path)
    with pytest.raises(UsageError, match='does not say how far .*load_from'):
        check_resumed(Config(NOW), str(path))
