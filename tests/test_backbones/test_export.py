"""torch.compile and ONNX see a plain network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasvit_mm.compat import import_onnxruntime
from nasvit_mm.nn import Span, attend, take
from tests.families import NETWORKS, backbone, classifier

TOLERANCE = 1e-4


def picture(batch: int, *size: int) -> torch.Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(0))


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.std())


@pytest.mark.slow
@pytest.mark.parametrize('what', ['classifier', 'backbone'])
@pytest.mark.parametrize('space', NETWORKS)
def test_onnx(space, what, tmp_path):
    """Dynamic batch, fixed height and width; windows with padding in the backbone."""
    if what == 'classifier':
        model = classifier(space, 'smallest').eval()
        size = (model.arch.resolution,) * 2
    else:
        model, size = backbone(space, 'smallest', out_width=16).eval(), (160, 336)
    path = tmp_path / 'model.onnx'
    batch = torch.export.Dim('batch', min=1, max=64)
    torch.onnx.export(model, (picture(2, *size),), path, dynamo=True, dynamic_shapes=({0: batch},))
    session = import_onnxruntime().InferenceSession(path)
    for n in (1, 3):
        x = picture(n, *size)
        with torch.no_grad():
            expected = model(x)
        expected = expected if isinstance(expected, tuple) else (expected,)
        outputs = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        for ours, theirs in zip(expected, outputs, strict=True):
            assert np.abs(ours.numpy() - theirs).max() / ours.std() < TOLERANCE


class _Attention(torch.nn.Module):
    def forward(self, x):
        return attend(x, x, x)


def test_an_export_without_gradients_has_a_free_batch(monkeypatch):
    """The chunks of queries that bound the memory of eager calls would fix the batch."""
    monkeypatch.setattr('nasvit_mm.nn.attention.CHUNK_ELEMENTS', 256)
    x = torch.randn(2, 1, 16, 4)
    batch = torch.export.Dim('batch', min=1, max=64)
    with torch.inference_mode():
        program = torch.export.export(_Attention(), (x,), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(x[:1]), attend(x, x, x)[:1])


def compiled_difference(space: str, backend: str) -> float:
    """Largest difference of a compiled classifier's logits over their spread."""
    model = classifier(space, 'smallest').eval()
    x = picture(2, model.arch.resolution, model.arch.resolution)
    with torch.no_grad():
        found = difference(torch.compile(model, fullgraph=True, backend=backend)(x), model(x))
    torch.compiler.reset()
    return found


@pytest.mark.slow
@pytest.mark.parametrize('space', NETWORKS)
def test_compile(space):
    """One graph without a break, the same numbers; the code that is made of it is torch's."""
    assert compiled_difference(space, 'aot_eager') < TOLERANCE


@pytest.mark.nightly
@pytest.mark.parametrize('space', NETWORKS)
def test_compile_to_code(space):
    assert compiled_difference(space, 'inductor') < TOLERANCE


@pytest.mark.parametrize('space', NETWORKS)
def test_a_subnet_traces_without_slicing(space):
    """Its weights are whole: no spans are left in the graph."""
    model = backbone(space, 'smallest').eval()
    side = model.arch.resolution  # for which no table of positions is resized
    program = torch.export.export(model, (picture(1, side, side),), strict=False)
    parameters = set(program.graph_signature.inputs_to_parameters)
    sliced = [
        n
        for n in program.graph.nodes
        if 'slice' in str(n.target) or 'narrow' in str(n.target)
        if n.args and getattr(n.args[0], 'name', None) in parameters
    ]
    assert parameters and not sliced
    weight = next(model.parameters())
    assert take(weight, Span.whole(weight.shape[0])) is weight
