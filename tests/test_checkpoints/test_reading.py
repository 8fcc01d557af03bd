"""By every door that a checkpoint comes in no code of it runs, and what is wrong is a sentence."""

from __future__ import annotations

import io
import os
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from torch import nn

from nasvit_mm import apis, get_space
from nasvit_mm.checkpoints import read_checkpoint, weights_only
from nasvit_mm.dense import check_backbone_fits, check_checkpoint_fits, load_weights
from nasvit_mm.errors import UsageError
from nasvit_mm.search.initial import read_initial
from nasvit_mm.supernet import load_supernet, read_supernet_config
from tests.test_runtime.toy import ToyModel, quick_runs, toy_config

NET, CFG = nn.Linear(100, 100), Config(dict(model=dict(type='Net')))


def by_mmengine(path: Path) -> None:
    with weights_only():
        CheckpointLoader.load_checkpoint(str(path))


def train(path: Path, **given: Any) -> None:
    with quick_runs():
        apis.train(toy_config(path.parent), **given)


DOORS: dict[str, Callable[[Path], Any]] = {
    'read_checkpoint': read_checkpoint,
    'mmengine': by_mmengine,
    'convert': lambda path: read_checkpoint(path).content,
    'benchmark, export': lambda path: load_weights(NET, str(path), CFG),
    'image_demo': lambda path: check_checkpoint_fits(NET, str(path), CFG),
    'load_from': lambda path: check_backbone_fits(NET, str(path), CFG),
    'initial': lambda path: read_initial(str(path), get_space('nasvit'), frozenset()),
    'load_supernet': lambda path: load_supernet(str(path)),
    'read_supernet_config': lambda path: read_supernet_config(str(path)),
    'train --resume FILE': lambda path: train(path, resume=path),
    'train --resume': lambda path: train(path, resume=True),
    'train load_from': lambda path: train(path, options={'load_from': str(path)}),
    'train init_cfg': lambda path: train(
        path, options={'model.init_cfg': dict(type='Pretrained', checkpoint=str(path))}
    ),
    'test': lambda path: apis.evaluate(toy_config(path.parent), path),
}


class Nested:
    """Hides a file in a file, which torch would load for it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        inside = io.BytesIO()
        torch.save(Planted(self.path), inside)
        return torch.storage._load_from_bytes, (inside.getvalue(),)


class Planted:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope='module')
def content() -> Mapping[str, Any]:
    """What a checkpoint of ten steps holds."""
    meta = dict(iter=10, epoch=0, cfg='model = dict(type="Net")')
    return dict(state_dict=NET.state_dict(), optimizer={}, message_hub={}, meta=meta)


@pytest.mark.parametrize('door', DOORS)
def test_no_code_runs(door: str, content: Mapping, tmp_path: Path) -> None:
    """Neither what is pickled nor what the config in it says."""
    path, ran = tmp_path / 'iter_10.pth', tmp_path / 'ran'
    text = f'import pathlib\nmodel = pathlib.Path({str(ran)!r}).touch()'
    torch.save({**content, 'meta': {**content['meta'], 'cfg': text}}, path)
    try:
        DOORS[door](path)
    except UsageError:
        pass
    assert not ran.exists()
    for hidden, name in ((Planted(ran), 'mkdir'), (Nested(ran), '_load_from_bytes')):
        torch.save({**content, 'hidden': hidden}, path)
        with pytest.raises(UsageError, match=rf'iter_10\.pth holds an object of .*{name}'):
            DOORS[door](path)
        assert not ran.exists()


def test_what_processes_hand_each_other_is_loaded() -> None:
    """The results of a validation, which mmengine pickles; no file reaches that."""
    results = [dict(label=torch.arange(3), kind=Config)]
    with weights_only():
        (found,) = pickle.loads(pickle.dumps(results, protocol=2))
    assert torch.equal(found['label'], torch.arange(3)) and found['kind'] is Config


@pytest.mark.parametrize('size', [1, 4096])
@pytest.mark.parametrize('door', [door for door in DOORS if door != 'train --resume'])
def test_a_damaged_file(door: str, size: int, content: Mapping, tmp_path: Path) -> None:
    """One bit, or a block of the disk; ``--resume`` would pass over it."""
    path = tmp_path / 'iter_10.pth'
    torch.save(content, path)
    whole = path.read_bytes()
    start = len(whole) // 2
    path.write_bytes(
        whole[:start]
        + (bytes([whole[start] ^ 1]) if size == 1 else bytes(size))
        + whole[start + size :]
    )
    with pytest.raises(UsageError, match=r'iter_10\.pth is damaged \(its part .*checksum\)'):
        DOORS[door](path)


def test_any_bit(content: Mapping, tmp_path: Path) -> None:
    """It is refused, or it changes nothing: what pads the parts to whole blocks."""
    path, draw = tmp_path / 'a.pth', random.Random(0)
    torch.save(content, path)
    whole = path.read_bytes()
    for _ in range(100):
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            state = read_checkpoint(path).state
        except UsageError as error:
            assert str(path) in str(error)
        else:
            assert all(torch.equal(state[key], value) for key, value in NET.state_dict().items())


WEIGHTS = NET.state_dict()
WRONG = {
    'numbers as names': ({0: torch.zeros(1)}, 'an entry named 0, expected texts'),
    'a text': ({**WEIGHTS, 'weight': 'x'}, r"entry weight of the weights is 'x' \(str\)"),
    'NaN': (
        {**WEIGHTS, 'bias': torch.full((100,), float('nan'))},
        '1 of the 2 entries of the weights hold NaN, the first is bias: .* earlier checkpoint',
    ),
    'no values': ({**WEIGHTS, 'bias': torch.zeros(100, device='meta')}, "the device 'meta'"),
}


@pytest.mark.parametrize('wrong', WRONG)
@pytest.mark.parametrize('door', ['train --resume FILE', 'train load_from', 'test'])
def test_weights_that_are_none(door: str, wrong: str, content: Mapping, tmp_path: Path) -> None:
    path = tmp_path / 'iter_10.pth'
    torch.save({**content, 'state_dict': WRONG[wrong][0]}, path)
    with pytest.raises(UsageError, match=rf'iter_10\.pth.*{WRONG[wrong][1]}'):
        DOORS[door](path)


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[tuple[dict, Path]]:
    """A checkpoint of the toy's, its content to be changed, and where to write it."""
    path = tmp_path / 'iter_10.pth'
    torch.save(dict(state_dict=ToyModel().state_dict()), path)
    yield torch.load(path), path


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (dict(state=lambda v: v.half()), ''),
        (dict(meta='a text'), ''),
        (
            dict(state=lambda v: v.to(torch.int8)),
            'layer.weight is torch.int8 in the file, torch.float32 in the model',
        ),
    ],
    ids=['half', 'meta', 'int8'],
)
def test_test(change: dict, said: str, trained: tuple) -> None:
    content, path = trained
    if 'state' in change:
        content['state_dict'] = {k: change['state'](v) for k, v in content['state_dict'].items()}
    else:
        content |= change
    torch.save(content, path)
    with quick_runs():
        if not said:
            assert apis.evaluate(toy_config(path.parent), path)['toy/acc'] > 0
            return
        with pytest.raises(UsageError, match=said):
            apis.evaluate(toy_config(path.parent), path)
