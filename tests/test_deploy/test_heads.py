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
from nasvit_mm.errors import UsageError
from tests.test_deploy.models import images
from tests.test_deploy.test_graph import LARGER, OF_ZOO, REST, head_of_zoo

# Whose sizes of maps go through tensors, the values of which tracers do not know by themselves.
QUICK = ('deformable_detr', 'onnx')
UNKNOWN_NUMBER = {  # of what is left before the end, by what is in the image
    'ddq': 'DDQDETR',  # queries that are distinct
    'crowddet': 'CrowdDet',  # boxes of its own NMS
}
HELD = [head for head in [*OF_ZOO, *REST] if head not in UNKNOWN_NUMBER]
# OpenVINO gives Sparse R-CNN other scores, up to 0.07 away; docs/guides/deploy.md says so.
OTHER = ('sparse_rcnn', 'openvino')
CASES = [case for case in product(HELD, ['onnx', 'openvino']) if case != OTHER]


@torch.no_grad()
@pytest.mark.parametrize(
    ('head', 'runtime'),
    [QUICK, *(pytest.param(*case, marks=pytest.mark.nightly) for case in CASES if case != QUICK)],
)
def test_a_runtime_gives_what_pytorch_gives(head: str, runtime: str, tmp_path: Path) -> None:
    """Scores to 1e-3, and the sum of the boxes that have one, in whatever order."""
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
    assert (wanted['scores'] > 0).any()
    orders = (np.sort(each['scores']) for each in (found, wanted))  # topk of Sparse R-CNN has none
    np.testing.assert_allclose(*orders, atol=1e-3)
    sums = (each['boxes'][each['scores'] > 0].sum() for each in (found, wanted))
    np.testing.assert_allclose(*sums, rtol=1e-3)


@pytest.mark.nightly
@pytest.mark.parametrize(('head', 'name'), UNKNOWN_NUMBER.items())
def test_a_graph_of_an_unknown_number_is_refused(head: str, name: str) -> None:
    graph = Graph(head_of_zoo(head), LARGER).eval()
    with pytest.raises(UsageError, match=f'^{name} cannot be exported as a graph '):
        formats.exported(graph, 1)
