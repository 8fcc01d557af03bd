"""Layers of pooled vectors that OpenVINO must not have in int8, found in its graphs."""

from __future__ import annotations

import numpy as np
import pytest

from nasvit_mm.deploy.vectors import chained_layers

openvino = pytest.importorskip('openvino')
op = openvino.opset13


def layer(x, name: str, width: int = 8):
    """A linear layer whose weights are compressed, as NNCF and OpenVINO have them."""
    stored = op.constant(np.ones((width, x.get_output_partial_shape(0)[-1].get_length()), np.int8))
    weight = op.multiply(op.convert(stored, np.float32), op.constant(np.float32(0.5)))
    product = op.matmul(x, weight, False, True)
    product.set_friendly_name(name)
    return op.add(product, op.constant(np.zeros(width, np.float32)))


def names(shape: tuple[int, ...], build) -> list[str]:
    given = op.parameter(list(shape), np.float32)
    return chained_layers(openvino.Model([build(given)], [given]))


def silu(x):
    return op.multiply(x, op.sigmoid(x))


@pytest.mark.parametrize('between', [op.relu, silu], ids=['relu', 'silu'])
def test_one_layer_after_another(between):
    assert names((2, 16), lambda x: layer(between(layer(x, 'a')), 'b')) == ['a', 'b']


@pytest.mark.parametrize(
    ('shape', 'build'),
    [
        ((2, 16), lambda x: op.relu(layer(x, 'alone'))),
        ((2, 5, 16), lambda x: layer(op.relu(layer(x, 'a')), 'b')),
        ((2, 16), lambda x: op.matmul(layer(x, 'a'), layer(x, 'b'), False, True)),
        ((2, 16), lambda x: layer(op.softmax(op.matmul(x, x, False, True), 1), 'alone')),
    ],
    ids=['alone', 'of tokens', 'no constant weights', 'of no layer'],
)
def test_others_may_be_in_int8(shape, build):
    assert names(shape, build) == []
