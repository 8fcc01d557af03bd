"""Checkpoints of training: which is the newest."""

from __future__ import annotations

from pathlib import Path

import torch

from nasvit_mm.engine import latest_checkpoint


def save(folder: Path, *names: str) -> None:
    for name in names:
        torch.save(dict(state_dict={}), folder / f'{name}.pth')


def test_the_pointer_wins(tmp_path: Path) -> None:
    save(tmp_path, 'iter_4', 'iter_8', 'best_mIoU_iter_9')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_4.pth'))
    assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'iter_4.pth')


def test_without_a_pointer_the_newest_whole_one(tmp_path: Path) -> None:
    assert latest_checkpoint(str(tmp_path / 'absent')) is None
    assert latest_checkpoint(str(tmp_path)) is None
    save(tmp_path, 'iter_4', 'iter_20', 'iter_100', 'best_mIoU_iter_200')
    assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'iter_100.pth')
    cut = tmp_path / 'iter_100.pth'
    cut.write_bytes(cut.read_bytes()[:-30])
    (tmp_path / 'last_checkpoint').write_text('')
    assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'iter_20.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_9.pth'))  # removed since
    assert latest_checkpoint(str(tmp_path)) == str(tmp_path / 'iter_20.pth')
