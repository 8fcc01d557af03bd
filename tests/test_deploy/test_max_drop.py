"""int8 within a drop: what costs most stays in float, and is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from nasvit_mm.deploy.formats import Control, quantise
from nasvit_mm.deploy.runtimes import OnnxRuntime, OpenVino, Session
from nasvit_mm.errors import UsageError

openvino = pytest.importorskip('openvino')
pytest.importorskip('nncf')
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype(np.uint8)


class Likeness:
    """How like the outputs are to those of the graph in float, in percent."""

    metric, images = 'likeness', list(range(len(IMAGES)))

    def __init__(self, path: Path, runtime: type[Session] = OpenVino) -> None:
        run = runtime(path, threads=1).run
        self.wanted = [run(image[None])['scores'].copy() for image in IMAGES]

    def __call__(self, run: Callable, indices: Iterable[int]) -> float:
        lost = [
            np.abs(run(IMAGES[i][None])['scores'] - self.wanted[i]).mean()
            / np.abs(self.wanted[i]).mean()
            for i in indices
        ]
        return 100 * (1 - float(np.mean(lost)))


@pytest.fixture
def graph(tmp_path) -> Path:
    """Two convolutions; the second sees one channel that hides the others from 8 bits."""
    rng, ops = np.random.default_rng(0), openvino.opset13
    images = ops.parameter([1, 16, 16, 3], np.uint8, name='images')
    x = ops.transpose(ops.convert(images, 'f32'), [0, 3, 1, 2])
    channels = np.ones((1, 8, 1, 1), np.float32)
    channels[0, 0] = 1e4
    second = rng.normal(size=(8, 8, 3, 3)).astype(np.float32)
    second[:, 0] = 0
    for name, weight in (
        ('first', rng.normal(size=(8, 3, 3, 3)).astype(np.float32)),
        ('second', second),
    ):
        x = ops.convolution(x, weight, [1, 1], [1, 1], [1, 1], [1, 1], name=name)
        x = ops.multiply(x, channels) if name == 'first' else x
    model = openvino.Model([x], [images])
    model.outputs[0].set_names({'scores'})
    openvino.save_model(model, str(tmp_path / 'model.xml'), compress_to_fp16=False)
    return tmp_path / 'model.xml'


def test_what_costs_most_stays_in_float(graph):
    score, target = Likeness(graph), graph.with_name('int8.xml')
    done = quantise(graph, target, IMAGES, OpenVino, [], control=Control(score, 5.0))
    assert done.kept == ['second']
    lost = score(OpenVino(target, threads=1).run, score.images)
    assert done.metrics == pytest.approx((100, lost), abs=1e-3)
    assert lost >= 95
    quantise(graph, target, IMAGES, OpenVino, [])
    assert score(OpenVino(target, threads=1).run, score.images) < 90


def test_an_operation_is_kept_in_float_by_its_name(graph):
    target = graph.with_name('int8.xml')
    found = []
    for kept in ([], ['second']):
        quantise(graph, target, IMAGES, OpenVino, kept)
        model = openvino.Core().read_model(str(target))
        kinds = [node.get_type_name() for node in model.get_ordered_ops()]
        found.append((kinds.count('FakeQuantize'), Likeness(graph)(OpenVino(target).run, range(4))))
    assert found[1][0] < found[0][0]
    assert found[1][1] > 95 > found[0][1]


def test_layers_that_openvino_must_not_have_in_int8_are_named(tmp_path):
    rng, ops = np.random.default_rng(0), openvino.opset13
    images = ops.parameter([1, 16, 16, 3], np.uint8, name='images')
    x = ops.reduce_mean(ops.convert(images, 'f32'), [1, 2])
    for name in ('squeeze', 'excite'):
        weight = rng.normal(size=(3, 3)).astype(np.float32)
        x = ops.relu(ops.matmul(x, weight, False, True, name=name))
    model = openvino.Model([x], [images])
    openvino.save_model(model, str(tmp_path / 'model.xml'), compress_to_fp16=False)
    done = quantise(tmp_path / 'model.xml', tmp_path / 'int8.xml', IMAGES, OpenVino, [])
    assert done.kept == ['excite', 'squeeze']


def test_a_name_that_the_graph_has_not(graph):
    with pytest.raises(UsageError, match='NNCF cannot quantise the graph: .*third'):
        quantise(graph, graph.with_name('int8.xml'), IMAGES, OpenVino, ['third'])


@pytest.mark.slow
def test_what_costs_most_stays_in_float_by_onnxruntime(graph: Path) -> None:
    onnx, path = pytest.importorskip('onnx'), graph.with_name('model.onnx')
    constants = {
        node.get_friendly_name(): node.get_data()
        for node in openvino.Core().read_model(str(graph)).get_ordered_ops()
        if node.get_type_name() == 'Constant'
    }
    first, second = (x for x in constants.values() if x.ndim == 4 and x.shape[-1] == 3)
    (channels,) = (x for x in constants.values() if x.shape == (1, 8, 1, 1))
    make, types = onnx.helper, onnx.TensorProto
    weights = dict(a=first, b=channels, c=second)
    nodes = [
        make.make_node('Cast', ['images'], ['float'], 'cast', to=types.FLOAT),
        make.make_node('Transpose', ['float'], ['x'], 'transpose', perm=[0, 3, 1, 2]),
        make.make_node('Conv', ['x', 'a'], ['y'], 'first', pads=[1] * 4),
        make.make_node('Mul', ['y', 'b'], ['z'], 'multiply'),
        make.make_node('Conv', ['z', 'c'], ['scores'], 'second', pads=[1] * 4),
    ]
    given = make.make_tensor_value_info('images', types.UINT8, [1, 16, 16, 3])
    gives = make.make_tensor_value_info('scores', types.FLOAT, [1, 8, 16, 16])
    values = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    whole = make.make_graph(nodes, 'graph', [given], [gives], values)
    opset = [make.make_opsetid('', 17)]
    onnx.save(make.make_model(whole, opset_imports=opset, ir_version=9), str(path))
    score, target = Likeness(path, OnnxRuntime), path.with_name('int8.onnx')
    done = quantise(path, target, IMAGES, OnnxRuntime, [], control=Control(score, 5.0))
    assert done.kept == ['second']
    assert score(OnnxRuntime(target, threads=1).run, score.images) >= 95


@pytest.mark.parametrize('number', [2, 4, 5])
def test_a_graph_of_several_images_is_calibrated_by_as_many(graph, number, monkeypatch):
    """The last group is filled by its last image."""
    path = graph.with_name('several.xml')
    model = openvino.Core().read_model(str(graph))
    model.reshape([number, 16, 16, 3])
    openvino.save_model(model, str(path), compress_to_fp16=False)
    target = path.with_name('int8.xml')
    quantise(path, target, IMAGES, OpenVino, [], batch=number)
    given = np.resize(IMAGES, (number, 16, 16, 3))
    found = OpenVino(target, threads=1).run(given)['scores']
    assert found.shape[0] == number
    assert 'FakeQuantize' in target.read_text()


def test_a_drop_that_cannot_be_held(graph):
    class Worse(Likeness):
        calls = 0

        def __call__(self, run, indices):
            self.calls += 1
            return -float(self.calls)  # whatever is kept in float, it is worse than before

    with pytest.raises(UsageError, match='--max-drop 0.5: likeness of 4 validation images is'):
        quantise(
            graph,
            graph.with_name('int8.xml'),
            IMAGES,
            OpenVino,
            [],
            control=Control(Worse(graph), 0.5),
        )
