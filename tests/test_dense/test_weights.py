"""Checkpoints of training: which is the newest, and what fits to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

from nasvit_mm import create_model, get_space
from nasvit_mm.dense import check_backbone_fits
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import latest_checkpoint


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


def test_weights_to_begin_with_hold_the_backbone(tmp_path: Path) -> None:
    """A head of other classes is what they are for; a supernet has its backbone one deeper."""

    def network(width: int = 4, classes: int = 3) -> nn.ModuleDict:
        return nn.ModuleDict(dict(backbone=nn.Linear(2, width), head=nn.Linear(width, classes)))

    path = str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict=network().state_dict()), path)
    cfg = Config(dict(model=dict(model=dict(backbone=dict(type='Net', arch='tiny')))))
    check_backbone_fits(network(classes=7), path, cfg)
    tapped = network()
    tapped.backbone.taps, tapped.backbone.new_weights = nn.Linear(4, 8), ('taps.',)
    check_backbone_fits(tapped, path, cfg)  # a dense model's own
    for model, message in (
        (
            network(width=5),
            r'2 entries have another shape or type, the first: backbone\.weight is 4x2 '
            r"in the file, 5x2 in the model; .* expects Net 'tiny'",
        ),
        (
            nn.ModuleDict(dict(model=network())),
            r'2 of the model are missing in the file, the '
            r'first: model\.backbone\.weight',
        ),
    ):
        with pytest.raises(UsageError, match=rf'weights\.pth does not fit the backbone.*{message}'):
            check_backbone_fits(model, path, cfg)
    with pytest.raises(UsageError, match=r'weights\.pth: none of its 4 entries is one of the 2 of'):
        check_backbone_fits(nn.Linear(2, 3), path, cfg)  # mmengine would begin at random


def test_a_deeper_backbone_is_none_to_begin_with(tmp_path: Path) -> None:
    space = get_space('nasvit')
    deep, shallow = space.smallest.replace(depth=space.largest.depth), space.smallest
    path, cfg = str(tmp_path / 'weights.pth'), Config(dict(model=dict(type='Net')))
    torch.save(create_model(space, deep, 3).state_dict(), path)
    check_backbone_fits(create_model(space, deep, 3), path, cfg)
    with pytest.raises(UsageError, match=r'load_from .* of the file are unknown to the model'):
        check_backbone_fits(create_model(space, shallow, 3), path, cfg)
