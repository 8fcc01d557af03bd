"""Writing a :class:`~nasvit_mm.deploy.graph.Graph` in the format of a runtime."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch.export import ExportedProgram

from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.runtimes import LiteRt, OpenVino, Session, without_telemetry
from nasvit_mm.errors import UsageError, first_line

LARGEST_BATCH = 64  # of a graph that takes any


def exported(graph: Graph, batch: int | None) -> ExportedProgram:
    """Return the program of a graph, for a number of images; None: any.

    Raises:
        UsageError: the model does what no graph holds.
    """
    height, width = graph.size
    images = torch.zeros(batch or 2, height, width, 3, dtype=torch.uint8)
    shapes = None if batch else ({0: torch.export.Dim('batch', min=1, max=LARGEST_BATCH)},)
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(graph, (images,), dynamic_shapes=shapes)
    except UsageError:
        raise
    except Exception as error:  # torch.export raises what the model's code does, and more
        how = ': what it computes depends on values, or on the number of images'
        raise UsageError(
            f'{type(graph.model).__name__} cannot be exported as a graph'
            f'{how if batch is None else ""} ({type(error).__name__}: {first_line(error)[:200]})'
            + ('; try --batch 1' if batch is None else '')
        ) from error


def write_onnx(
    program: ExportedProgram, graph: Graph, path: Path, about: Mapping[str, str]
) -> None:
    """Write one ONNX file, with what is known of it in its metadata."""
    with quiet():
        written = torch.onnx.export(
            program,
            dynamo=True,
            input_names=['images'],
            output_names=graph.output_names,
            verbose=False,
        )
    written.model.metadata_props.update(about)
    written.save(str(path), external_data=False)


def write_openvino(onnx: Path, path: Path, about: Mapping[str, str]) -> None:
    """Write an ONNX file as OpenVINO's ``.xml`` and ``.bin``."""
    openvino = OpenVino.module()
    model = openvino.Core().read_model(str(onnx))
    for key, value in about.items():
        model.set_rt_info(value, ['nasvit_mm', key])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def quantise(
    path: Path, target: Path, images: np.ndarray, runtime: type[Session], ignored: list[str]
) -> None:
    """Write an int8 form of an ONNX or OpenVINO file, by NNCF's post-training quantisation.

    Args:
        images: uint8 (n, H, W, 3), by which ranges are chosen.
        ignored: names of the graph's operations that stay in float.
    """
    try:
        with quiet(), without_telemetry():
            import nncf
    except ImportError as error:
        raise UsageError(
            f'--int8 needs nncf, which cannot be imported ({error}): pip install '
            '"nasvit_mm[deploy]"'
        ) from error
    try:
        with quiet():
            _quantise(nncf, path, target, images, runtime, ignored)
    except Exception as error:  # of NNCF, by its own classes
        raise UsageError(
            f'{runtime.name}: NNCF cannot quantise the graph: {first_line(error)}'
        ) from error


def _quantise(
    nncf: ModuleType,
    path: Path,
    target: Path,
    images: np.ndarray,
    runtime: type[Session],
    ignored: list[str],
) -> None:
    options = dict(
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
        subset_size=len(images),
    )
    if runtime is OpenVino:
        openvino = OpenVino.module()
        data = nncf.Dataset([image[None] for image in images])
        model = nncf.quantize(openvino.Core().read_model(str(path)), data, **options)
        openvino.save_model(model, str(target), compress_to_fp16=False)
    else:
        import onnx

        data = nncf.Dataset([{'images': image[None]} for image in images])
        onnx.save(nncf.quantize(onnx.load(str(path)), data, **options), str(target))


def write_litert(graph: Graph, path: Path) -> None:
    """Write LiteRT's ``.tflite``."""
    try:
        with quiet():
            import litert_torch
    except ImportError as error:
        raise UsageError(
            f'writing for litert needs litert-torch, which cannot be imported ({error}): pip '
            f'install "nasvit_mm[{LiteRt.extra}]"'
        ) from error
    height, width = graph.size
    images = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with quiet(), torch.no_grad():
        litert_torch.convert(graph, (images,)).export(str(path))


def write_torch(program: ExportedProgram, path: Path) -> None:
    """Write PyTorch's ``.pt2``."""
    with quiet():
        torch.export.save(program, str(path))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep exporters' and quantisers' own lines off the console while the block runs."""
    names = ('torch.onnx', 'onnxscript', 'onnx_ir', 'nncf', 'jax', 'absl')
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO())
            if 'NASVIT_MM_DEBUG' not in os.environ
            else contextlib.nullcontext(sys.stderr),
        ):
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
