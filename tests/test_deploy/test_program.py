"""PyTorch's programs: what was written is what is loaded, and no file of one runs code."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from pathlib import Path

import numpy as np
import pytest
import torch

from nasvit_mm.deploy import formats
from nasvit_mm.deploy.program import INPUTS, MODEL, OPERATORS, PAYLOADS
from nasvit_mm.deploy.runtimes import get_runtime
from nasvit_mm.errors import UsageError

Parts = dict[str, bytes]
RUNS = "exec(\"open('ran', 'w')\")"


class Small(torch.nn.Module):
    """Two outputs, a buffer, and a size that is free."""

    size, dynamic = (16, 24), False

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 4, 3, stride=2)
        self.register_buffer('mean', torch.ones(3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.layer(images.permute(0, 3, 1, 2).float() - self.mean)
        return x.argmax(1).to(torch.uint8), x.flatten(1).topk(3)[0]


@pytest.fixture(scope='module')
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Small, Path]:
    torch.manual_seed(0)
    small, path = Small().eval(), tmp_path_factory.mktemp('program') / 'model.pt2'
    formats.write_torch(formats.exported(small, None), path)
    return small, path


def load(path: Path):
    return get_runtime('torch')(path, threads=1)


def test_it_gives_what_the_module_gives(written: tuple[Small, Path]) -> None:
    small, path = written
    images = np.random.default_rng(0).integers(0, 256, (3, *small.size, 3), np.uint8)
    with torch.inference_mode():
        wanted = small(torch.from_numpy(images))
    for found, value in zip(load(path).run(images).values(), wanted, strict=True):
        np.testing.assert_array_equal(found, value.numpy())


@pytest.mark.parametrize(
    ('name', 'fits'),
    [
        ('torch.ops.aten.conv2d.default', True),
        ('torch.ops.aten.__and__.Tensor', True),
        ('torch.ops.torchvision.nms.default', True),
        ('_operator.getitem', True),
        ('torch.ops.aten.from_file.default', False),
        ('torch.ops.aten.__class__.mro', False),
        ('torch.ops.aten.add.__class__', False),
        ('torch.os.system', False),
        ('_operator.call', False),
        ('math.__loader__', False),
        ('builtins.exec', False),
    ],
)
def test_operators(name: str, fits: bool) -> None:
    assert bool(OPERATORS.fullmatch(name)) == fits


# ---------------------------------------------------------------------- planted code
class Planted:
    """Pickled, a command."""

    def __reduce__(self):
        return exec, ("open('ran', 'w')",)


def pickled() -> bytes:
    file = io.BytesIO()
    torch.save(Planted(), file)
    return file.getvalue()


def graph(change: Callable[[dict], None]) -> Callable[[Parts], None]:
    @wraps(change)
    def changed(parts: Parts) -> None:
        content = json.loads(parts[MODEL])
        change(content)
        parts[MODEL] = json.dumps(content).encode()

    return changed


def in_inputs(parts: Parts) -> None:
    parts[INPUTS] = pickled()


def in_weights(parts: Parts) -> None:
    content = json.loads(parts[PAYLOADS[0]])
    for about in content['config'].values():
        about['use_pickle'] = True
        parts[f'data/weights/{about["path_name"]}'] = pickled()
    parts[PAYLOADS[0]] = json.dumps(content).encode()


def in_a_library(parts: Parts) -> None:
    parts['data/aotinductor/model/model.so'] = b''


@graph
def in_an_operator(content: dict) -> None:
    content['graph_module']['graph']['nodes'][0]['target'] = 'torch.os.system'


@graph
def in_an_expression(content: dict) -> None:
    for value in content['graph_module']['graph']['tensor_values'].values():
        for size in value['sizes']:
            if 'as_expr' in size.get('as_sym_int', size):
                size.get('as_sym_int', size)['as_expr']['expr_str'] = RUNS


@graph
def in_a_name(content: dict) -> None:
    text = json.dumps(content).replace('"images"', json.dumps(f'images={RUNS}'))
    content.update(json.loads(text))


@graph
def in_a_guard(content: dict) -> None:
    content['guards_code'] = [RUNS]


@graph
def in_the_nesting(content: dict) -> None:
    call = content['graph_module']['module_call_graph'][0]['signature']
    call['out_spec'] = call['out_spec'].replace('builtins.tuple', 'collections.defaultdict', 1)


SAID = {
    in_inputs: '',  # nothing: a program needs it no more, once it is written
    in_a_guard: '',
    in_weights: 'has an object that is no tensor of plain numbers',
    in_a_library: "holds 'model/data/aotinductor/model/model.so', which no program needs",
    in_an_operator: "its graph has target = 'torch.os.system'",
    in_an_expression: 'its graph has expr_str = ',
    in_a_name: 'its graph has name = ',
    in_the_nesting: 'are of the type collections.defaultdict',
}


@pytest.mark.parametrize(('plant', 'said'), SAID.items())
def test_no_code_in_it_runs(
    plant: Callable[[Parts], None],
    said: str,
    written: tuple[Small, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, path = written
    with zipfile.ZipFile(path) as file:
        before = {name.partition('/')[2]: file.read(name) for name in file.namelist()}
    parts = dict(before)
    plant(parts)
    assert parts != before
    with zipfile.ZipFile(tmp_path / 'model.pt2', 'w') as file:
        for name, data in parts.items():
            file.writestr(f'model/{name}', data)
    monkeypatch.chdir(tmp_path)
    images = np.zeros((2, *small.size, 3), np.uint8)
    with pytest.raises(UsageError, match=re.escape(said)) if said else nullcontext():
        load(tmp_path / 'model.pt2').run(images)
    assert not Path('ran').exists()


def test_a_file_that_is_damaged(written: tuple[Small, Path], tmp_path: Path) -> None:
    data = written[1].read_bytes()
    for content in (b'', b'no zip', data[: len(data) // 2]):
        (tmp_path / 'model.pt2').write_bytes(content)
        with pytest.raises(UsageError, match=r'model\.pt2 cannot be loaded: '):
            load(tmp_path / 'model.pt2')
