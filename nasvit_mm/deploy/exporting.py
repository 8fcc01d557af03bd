"""What exports of networks share: silence, missing packages, the first cause of a failure."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx.experimental import proxy_tensor
from torch.onnx import ONNXProgram

from nasvit_mm.errors import debugging, first_line

LARGEST_BATCH = 64  # of a graph whose batch is free
LARGEST_SIDE = 8192  # of the images of a graph whose size is free, in pixels
CONSTANT_NUMBERS = 64  # of a tensor that is known while a network is traced: levels' sizes
LOGGERS = ('torch.onnx', 'onnxscript', 'onnx_ir', 'nncf', 'jax', 'absl')


@contextlib.contextmanager
def quiet(progress: bool = False) -> Iterator[None]:
    """Silence what exporters and quantisers log, warn of and print.

    Args:
        progress: silence their stderr too, where they draw bars; not with ``--debug``.
    """
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        with contextlib.ExitStack() as stack:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            stack.enter_context(warnings.catch_warnings())
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            if progress and not debugging():
                stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def exported_program(
    network: nn.Module, inputs: tuple[Tensor, ...], dynamic_shapes: Any = None
) -> ExportedProgram:
    """Return the program of ``torch.export``, where sizes of maps may go through small tensors.

    Deformable attention of mmdet and mmcv keeps heights and widths as ``torch._shape_as_tensor``,
    which knows no traced tensor, and loops over them; torch takes the values of constants of one
    number only.

    Raises:
        Exception: whatever torch and the network's own code raise.
    """
    shapes = patch.object(torch, '_shape_as_tensor', lambda tensor: torch.tensor(tensor.shape))
    constants = patch.object(proxy_tensor, 'CONSTANT_NUMEL_LIMIT', CONSTANT_NUMBERS)
    with torch.no_grad(), shapes, constants:
        return torch.export.export(network, inputs, dynamic_shapes=dynamic_shapes)


def onnx_program(
    network: nn.Module, inputs: tuple[Tensor, ...], dynamic_shapes: Any = None, **names: Any
) -> ONNXProgram:
    """Return torch's ONNX program of a network.

    It is traced by ``torch.export`` first: while ``torch.onnx`` traces, the box coders and NMS of
    mmdet take ways of their own, which import what mmdet has no longer.

    Args:
        network: in evaluation mode.
        inputs: examples, of the sizes that the graph takes where ``dynamic_shapes`` says nothing.
        dynamic_shapes: as of ``torch.export.export``.
        names: ``input_names`` and ``output_names``.

    Raises:
        Exception: whatever torch and the network's own code raise.
    """
    program = exported_program(network, inputs, dynamic_shapes)
    return torch.onnx.export(program, dynamo=True, verbose=False, **names)


def missing_package(*names: str) -> str:
    """Return the first of some packages that cannot be imported, empty if all can."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            return error.name or name
    return ''


def reason(error: BaseException) -> str:
    """Return the first cause of an error in a line: torch's own says in which step it was."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f'{type(error).__name__}: {first_line(error)[:300]}'
