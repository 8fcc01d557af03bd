"""Graphs of mmdet's heads give in a runtime what they give in PyTorch."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from nasvit_mm.deploy import formats
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.runtimes import get_runtime
from tests.test_deploy.models import images
from tests.test_deploy.test_graph import LARGER, OF_ZOO, REST, head_of_zoo

# Whose sizes of maps go through tensors, the values of which tracers do not know by themselves.
QUICK = ('deformable_detr', 'onnx')
CASES = product([*OF_ZOO, *REST], ['onnx', 'openvino'])


@torch.no_grad()
@pytest.mark.parametrize(
    ('head', 'runtime'),
    [QUICK, *(pytest.param(*case, marks=pytest.mark.nightly) for case in CASES if case != QUICK)],
)
def test_a_runtime_gives_what_pytorch_gives(head: str, runtime: str, tmp_path: Path) -> None:
    """Scores to 1e-3, and the sum of the boxes that have one: equal scores come in any order."""
    pytest.importorskip(get_runtime(runtime).package)
    graph, given = Graph(head_of_zoo(head), LARGER).eval(), images(1, LARGER)
    path = tmp_path / 'model.onnx'
    formats.write_onnx(formats.exported(graph, 1), graph, path, {})
    if runtime == 'openvino':
        formats.write_openvino(path, path.with_suffix('.xml'), {})
        path = path.with_suffix('.xml')
    found = get_runtime(runtime)(path, threads=1).run(given)
    answers = (answer.numpy() for answer in graph(torch.from_numpy(given)))
    wanted = dict(zip(graph.output_names, answers, strict=True))
    there = wanted['scores'] > 0
    assert there.any()
    np.testing.assert_allclose(found['scores'], wanted['scores'], atol=1e-3)
    sums = (each['boxes'][there].sum() for each in (found, wanted))
    np.testing.assert_allclose(*sums, rtol=1e-3)
