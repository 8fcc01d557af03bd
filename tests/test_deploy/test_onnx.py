"""Models that do not export as one would like: of a batch of one size, or not at all."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

from nasvit_mm.compat import import_onnxruntime
from nasvit_mm.dense import build_model, kind_of
from nasvit_mm.deploy import benchmark_model, export_onnx
from nasvit_mm.errors import UsageError
from tests.test_deploy.models import config

SIZE = (8, 8)


class PerImage(BaseModel):
    """Looks at one image of a batch after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, inputs, mode='tensor'):
        return torch.cat([self.conv(inputs[i : i + 1]) for i in range(len(inputs))])


class Decides(PerImage):
    """Does this or that by what is in the image."""

    def forward(self, inputs, mode='tensor'):
        return super().forward(inputs) if inputs.sum() > 0 else inputs


def test_a_batch_that_is_not_free(tmp_path: Path) -> None:
    """The graph is of the batch that is asked for, and one file."""
    model, images = PerImage().eval(), torch.randn(3, 3, *SIZE)
    path = export_onnx(model, SIZE, tmp_path / 'x.onnx', batch_size=3)
    assert onnx.load(path).graph.input[0].name == 'pictures'
    session = import_onnxruntime().InferenceSession(path, providers=['CPUExecutionProvider'])
    (found,) = session.run(['logits'], {'pictures': images.numpy()})
    assert torch.allclose(torch.from_numpy(found), model(images), atol=1e-5)
    assert list(tmp_path.iterdir()) == [path]


def test_an_export_that_fails_loses_no_figures(tmp_path: Path) -> None:
    both = ['pytorch', 'onnxruntime']
    found = benchmark_model(Decides().eval(), SIZE, both, rounds=1, onnx=tmp_path / 'x.onnx')
    assert found['failed']['onnxruntime'].startswith('not exportable: ')
    assert '\n' not in found['failed']['onnxruntime'] and not list(tmp_path.iterdir())
    assert list(found['backends']) == ['pytorch'] and found['difference'] is None
    with pytest.raises(UsageError, match='onnxruntime: not exportable: '):
        benchmark_model(Decides().eval(), SIZE, ['onnxruntime'], rounds=1)


class AsksWhoTraces(PerImage):
    """Takes a way of its own where torch.onnx traces, as mmdet's box coders do; it is broken."""

    def forward(self, inputs, mode='tensor'):
        assert not torch.onnx.is_in_onnx_export()
        return super().forward(inputs)


def test_ways_for_an_older_exporter_are_not_taken(tmp_path: Path) -> None:
    assert export_onnx(AsksWhoTraces().eval(), SIZE, tmp_path / 'x.onnx').is_file()


@pytest.mark.slow
def test_the_scale_of_the_input_is_in_the_graph(tmp_path: Path) -> None:
    """A segmentor that computes at another size takes images of the size, and gives maps of it."""
    cfg, size = config('label map'), (64, 96)
    cfg.model.backbone.input_scale = 75
    model = build_model(cfg)
    path = export_onnx(model, size, tmp_path / 'x.onnx')
    session = import_onnxruntime().InferenceSession(path, providers=['CPUExecutionProvider'])
    x = torch.randn(1, 3, *size)
    (found,) = session.run(['logits'], {'pictures': x.numpy()})
    with torch.no_grad():
        expected = kind_of(model).prediction_fn(model, size)(model, x)
    assert found.shape[2:] == size
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)
