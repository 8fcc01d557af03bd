"""Writing the formats of runtimes on a disk that is full."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from nasvit_mm.deploy import formats
from nasvit_mm.files import WriteError, replacing_folder

pytest.importorskip('onnx')


class Half(nn.Module):
    """A graph with an output."""

    size, output_names, dynamic = (8, 8), ('label_map',), False

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.float())


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow over a kilobyte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def onnx(folder: Path) -> Callable[[Path], None]:
    graph = Half().eval()
    program = formats.exported(graph, 1)
    return lambda path: formats.write_onnx(program, graph, path, {})


def torchs(folder: Path) -> Callable[[Path], None]:
    program = formats.exported(Half().eval(), 1)
    return lambda path: formats.write_torch(program, path)


def openvino(folder: Path) -> Callable[[Path], None]:
    pytest.importorskip('openvino')
    onnx(folder)(folder / 'whole.onnx')
    return lambda path: formats.write_openvino(folder / 'whole.onnx', path, {})


@pytest.mark.parametrize('form', [onnx, torchs, openvino])
def test_a_full_disk_is_one_sentence(
    form: Callable[[Path], Callable[[Path], None]], tmp_path: Path
) -> None:
    write, out = form(tmp_path), tmp_path / 'out'
    with (
        pytest.raises(WriteError, match=r'out cannot be written \(File too large.*free some'),
        replacing_folder(out, ['model.xml']) as draft,
        full_disk(),
    ):
        write(draft / 'model.xml')
    assert not out.exists() and not list(tmp_path.glob('*.part'))
