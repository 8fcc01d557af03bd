"""Blocks as networks of their own, and whole networks put together from them, as ONNX.

What torch takes to write ONNX grows with the operations, and a space's networks repeat a few
blocks: each of these is written once, and of a whole network only what is left between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nasvit_mm.backbones import Block
from nasvit_mm.dense import SearchedModel, Size, build_model
from nasvit_mm.deploy.exporting import onnx_program, quiet, reason
from nasvit_mm.deploy.latency_table import block_key
from nasvit_mm.deploy.onnx import Logits
from nasvit_mm.errors import UsageError
from nasvit_mm.spaces import Arch

WEIGHTS = 'weights.bin'  # what all weights of a folder are read from
SHARED_FROM = 256  # values; smaller tensors stay in their file


class BlockNetwork(nn.Module):
    """One block with all that it is told besides its input."""

    def __init__(self, block: nn.Module, args: tuple[Any, ...]) -> None:
        super().__init__()
        self.block, self.args = block, args

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x, *self.args)


class Between(nn.Module):
    """A network without its blocks: takes images and what each block gives, in the order of their
    run, and gives what each block takes, then what the network gives.
    """

    def __init__(self, network: nn.Module, backbone: nn.Module) -> None:
        super().__init__()
        self.network, passing = network, SimpleNamespace()

        def run(block: nn.Module, x: Tensor, *args: Any) -> Tensor:
            passing.taken.append(x)
            return next(passing.given)

        backbone.run_block = run  # of this one model, which is thrown away
        self.passing = passing

    def forward(self, images: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        self.passing.given, self.passing.taken = iter(given), []
        out = self.network(images)
        return (*self.passing.taken, out)


class Seen(NamedTuple):
    """A block of a network as it ran."""

    key: str  # of the latency table
    network: BlockNetwork
    taken: tuple[int, ...]  # shape of its input
    given: tuple[int, ...]  # and of its output


class Whole:
    """The dense model of an architecture, with its blocks in the order of their run.

    Attributes:
        network: images (N, 3, H, W), normalised, to logits, see :class:`Logits`.
        blocks: what ran.
    """

    def __init__(self, task: SearchedModel, arch: Arch, size: Size, batch_size: int) -> None:
        model = build_model(task.config(arch))
        self.backbone = model.backbone
        self.shape = (batch_size, self.backbone.in_channels, *size)
        self.network = Logits(model, tuple(size)).eval()
        self.blocks: list[Seen] = []
        names: Iterable[Block] = iter(task.net.blocks_of(arch))

        def run(block: nn.Module, x: Tensor, *args: Any) -> Tensor:
            y = block(x, *args)
            own = BlockNetwork(block, args)
            self.blocks.append(Seen(block_key(next(names)), own, tuple(x.shape), tuple(y.shape)))
            return y

        self.backbone.run_block = run
        with torch.no_grad():
            self.network(torch.zeros(self.shape))
        del self.backbone.run_block  # an attribute over the method

    def between(self) -> tuple[Between, list[tuple[int, ...]]]:
        """Return the network without its blocks, and the shapes that it takes; it then runs as
        this alone.
        """
        shapes = [self.shape, *(block.given for block in self.blocks)]
        return Between(self.network, self.backbone), shapes


class Beside(nn.Module):
    """Several networks of one input and one output, none of which sees another."""

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(network(x) for network, x in zip(self.networks, inputs, strict=True))


def exported(network: nn.Module, shapes: Sequence[tuple[int, ...]]) -> Any:
    """Return a network of float inputs as an ONNX model.

    Raises:
        UsageError: no graph holds what it does.
    """
    try:
        with quiet(progress=True):
            inputs = tuple(torch.randn(shape) for shape in shapes)
            program = onnx_program(network.eval(), inputs)
    except Exception as error:  # torch.export raises what the model's code does, and more
        raise UsageError(f'cannot be exported as a graph ({reason(error)})') from error
    model = program.model_proto
    for node in model.graph.node:
        node.ClearField('metadata_props')  # where in Python it comes from: half of the file
    return model


def exported_blocks(blocks: Sequence[Seen]) -> list[Any]:
    """Return blocks as ONNX models, which torch writes together: half of its time for one goes by
    what it does for any.
    """
    import onnx

    whole = exported(Beside(block.network for block in blocks), [block.taken for block in blocks])
    extractor = onnx.utils.Extractor(whole)
    return [
        extractor.extract_model([taken.name], [given.name])
        for taken, given in zip(whole.graph.input, whole.graph.output, strict=True)
    ]


def put_together(between: Any, blocks: Sequence[Any]) -> Any:
    """Return the ONNX model of a whole network.

    Args:
        between: of a :class:`Between`; it is changed.
        blocks: those of its blocks.
    """
    import onnx

    graph = between.graph
    given = [value.name for value in graph.input][1:]
    taken = [value.name for value in graph.output][:-1]
    nodes = list(graph.node)
    for i, block in enumerate(blocks):
        part = onnx.compose.add_prefix_graph(block.graph, f'block{i}/')
        (takes,), (gives,) = part.input, part.output
        nodes.append(onnx.helper.make_node('Identity', [taken[i]], [takes.name]))
        nodes.extend(part.node)
        nodes.append(onnx.helper.make_node('Identity', [gives.name], [given[i]]))
        graph.initializer.extend(part.initializer)
        graph.value_info.extend(part.value_info)
    ordered = _in_order(nodes, {graph.input[0].name, *(w.name for w in graph.initializer)})
    del graph.node[:], graph.input[1:], graph.output[:-1]
    graph.node.extend(ordered)
    return between


def save(model: Any, path: Path) -> None:
    """Write an ONNX model."""
    import onnx

    onnx.save(model, str(path))


def _in_order(nodes: Sequence[Any], known: set[str]) -> list[Any]:
    """Return nodes in an order in which each comes after those whose outputs it takes."""
    makers = {name: node for node in nodes for name in node.output}
    done, out = set(known) | {''}, []
    for last in nodes:
        stack = [last]
        while stack:
            node = stack[-1]
            lacking = [name for name in node.input if name not in done]
            if lacking:
                stack.extend(makers[name] for name in lacking)
                continue
            stack.pop()
            if node.output[0] not in done:
                out.append(node)
                done.update(node.output)
    return out


def with_shared_weights(model: Any, folder: Path) -> Any:
    """Let the weights of an ONNX model be read from one file, so that many models are small.

    Only for measuring time: every tensor begins at the start of that file, whose values are random.
    """
    import onnx

    for tensor in model.graph.initializer:
        number = int(np.prod(tensor.dims))
        if (
            tensor.data_type != onnx.TensorProto.FLOAT
            or len(tensor.dims) < 2
            or number < SHARED_FROM
        ):
            continue
        _grow(folder / WEIGHTS, number)
        tensor.ClearField('raw_data')
        tensor.ClearField('float_data')
        tensor.data_location = onnx.TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in dict(location=WEIGHTS, offset=0, length=4 * number).items():
            tensor.external_data.add(key=key, value=str(value))
    return model


def _grow(path: Path, number: int) -> None:
    """Let a file hold at least so many random values."""
    having = path.stat().st_size // 4 if path.exists() else 0
    if number > having:
        more = np.random.default_rng(having).standard_normal(number - having, np.float32) * 0.02
        with open(path, 'ab') as file:
            file.write(more.astype('<f4').tobytes())
