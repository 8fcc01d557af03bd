"""Linear layers of pooled vectors, in a graph of OpenVINO."""

from __future__ import annotations

from typing import Any


def chained_layers(model: Any) -> list[str]:
    """Return the names of linear layers of vectors, (N, C), that follow one another: of
    squeeze-and-excite, of a classifier with hidden layers.

    OpenVINO (2026.4, on CPUs) fuses two of them in int8 into code that reads memory which it has
    not written, so that its answers change from one load of the model to the next.  They cost next
    to nothing: they stay in float.

    Args:
        model: ``openvino.Model``, in float.
    """
    names = set()
    for node in model.get_ordered_ops():
        if _is_layer(node):
            before = _layer_before(node)
            if before is not None:
                names |= {before.get_friendly_name(), node.get_friendly_name()}
    return sorted(names)


def _is_layer(node: Any) -> bool:
    """Return whether a node multiplies vectors with a constant matrix."""
    return (
        node.get_type_name() == 'MatMul'
        and node.input(0).get_partial_shape().rank.get_length() == 2
        and _is_constant(node.input_value(1).get_node())
    )


def _layer_before(node: Any) -> Any:
    """Return the layer whose output, or a function of each of its elements, a layer takes; None:
    there is none.
    """
    value = node.input_value(0)
    while not _is_layer(value.get_node()):
        node = value.get_node()
        given = [v for v in node.input_values() if not _is_constant(v.get_node())]
        shape = value.get_partial_shape()
        if not given or any(v.get_partial_shape() != shape for v in given):
            return None  # no function of each element alone
        value = given[0]
    return value.get_node()


def _is_constant(node: Any) -> bool:
    values = node.input_values()
    return node.get_type_name() == 'Constant' or (
        bool(values) and all(_is_constant(value.get_node()) for value in values)
    )
