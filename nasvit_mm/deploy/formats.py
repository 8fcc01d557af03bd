"""Writing a :class:`~nasvit_mm.deploy.graph.Graph` in the format of a runtime."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from nasvit_mm.deploy.exporting import LARGEST_BATCH, quiet, reason
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.runtimes import LiteRt, OpenVino, Session, without_telemetry
from nasvit_mm.errors import UsageError, first_line

PROBE = 2**20  # bytes that a disk takes which is not full


def exported(graph: Graph, batch: int | None) -> ExportedProgram:
    """Return the program of a graph, for a number of images; None: any.

    Raises:
        UsageError: the model does what no graph holds.
    """
    height, width = graph.size
    images = torch.zeros(batch or 2, height, width, 3, dtype=torch.uint8)
    shapes = None if batch else ({0: torch.export.Dim('batch', min=1, max=LARGEST_BATCH)},)
    try:
        with quiet(progress=True), torch.no_grad():
            return torch.export.export(graph, (images,), dynamic_shapes=shapes)
    except UsageError:
        raise
    except Exception as error:  # torch.export raises what the model's code does, and more
        remedy = '' if batch else '; it may be the number of images that it asks for: --batch 1'
        raise UsageError(
            f'{type(graph.model).__name__} cannot be exported as a graph ({reason(error)}){remedy}'
        ) from error


def write_onnx(
    program: ExportedProgram, graph: Graph, path: Path, about: Mapping[str, str]
) -> None:
    """Write one ONNX file, with what is known of it in its metadata."""
    with quiet(progress=True):
        written = torch.onnx.export(
            program,
            dynamo=True,
            input_names=['images'],
            output_names=graph.output_names,
            verbose=False,
        )
    written.model.metadata_props.update(about)
    written.save(str(path), external_data=False)


@contextmanager
def system_errors(path: Path) -> Iterator[None]:
    """Raise what the system says where a file cannot be written, for which C++ has other words."""
    try:
        yield
    except (OSError, UsageError):
        raise
    except Exception:
        probe = path.with_name('probe')
        probe.write_bytes(bytes(PROBE))
        probe.unlink()
        raise


def write_openvino(onnx: Path, path: Path, about: Mapping[str, str]) -> None:
    """Write an ONNX file as OpenVINO's ``.xml`` and ``.bin``."""
    openvino = OpenVino.module()
    model = openvino.Core().read_model(str(onnx))
    for key, value in about.items():
        model.set_rt_info(value, ['nasvit_mm', key])
    with system_errors(path):
        openvino.save_model(model, str(path), compress_to_fp16=False)


def quantise(
    path: Path,
    target: Path,
    images: np.ndarray,
    runtime: type[Session],
    ignored: list[str],
    correct: bool = True,
) -> bool:
    """Write an int8 form of an ONNX or OpenVINO file, by NNCF's post-training quantisation.

    Args:
        images: uint8 (n, H, W, 3), by which ranges are chosen.
        ignored: names of the graph's operations that stay in float.
        correct: correct biases, where NNCF can.

    Returns:
        Whether biases were corrected.  NNCF takes the first axis of maps for the batch when it does
        so, and fails where a convolution runs over the windows of an image (talking heads).

    Raises:
        UsageError: NNCF is missing, or cannot quantise the graph.
    """
    try:
        with quiet(progress=True), without_telemetry():
            import nncf
    except ImportError as error:
        raise UsageError(
            f'--int8 needs nncf, which cannot be imported ({error}): pip install '
            '"nasvit_mm[deploy]"'
        ) from error
    for corrected in (True, False) if correct else (False,):
        try:
            with quiet(progress=True):
                _quantise(nncf, path, target, images, runtime, ignored, corrected)
            return corrected
        except OSError:  # of the disk
            raise
        except Exception as error:  # of NNCF, by its own classes
            failed = error
    raise UsageError(
        f'{runtime.name}: NNCF cannot quantise the graph: {first_line(failed)}'
    ) from failed


def _quantise(
    nncf: ModuleType,
    path: Path,
    target: Path,
    images: np.ndarray,
    runtime: type[Session],
    ignored: list[str],
    corrected: bool,
) -> None:
    options = dict(
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
        subset_size=len(images),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            disable_bias_correction=not corrected
        ),
    )
    if runtime is OpenVino:
        openvino = OpenVino.module()
        data = nncf.Dataset([image[None] for image in images])
        model = nncf.quantize(openvino.Core().read_model(str(path)), data, **options)
        with system_errors(target):
            openvino.save_model(model, str(target), compress_to_fp16=False)
    else:
        import onnx

        model = onnx.load(str(path))
        name = model.graph.input[0].name
        data = nncf.Dataset([{name: image[None]} for image in images])
        onnx.save(nncf.quantize(model, data, **options), str(target))


def write_litert(network: nn.Module, images: tuple[torch.Tensor, ...], path: Path) -> None:
    """Write LiteRT's ``.tflite`` of a network of such inputs."""
    try:
        with quiet(progress=True):
            import litert_torch
    except ImportError as error:
        raise UsageError(
            f'writing for litert needs litert-torch, which cannot be imported ({error}): pip '
            f'install "nasvit_mm[{LiteRt.extra}]"'
        ) from error
    with quiet(progress=True), torch.no_grad(), system_errors(path):
        litert_torch.convert(network, images).export(str(path))


def write_torch(program: ExportedProgram, path: Path) -> None:
    """Write PyTorch's ``.pt2``."""
    content = io.BytesIO()  # of a full disk torch's own writer ends the process
    with quiet(progress=True):
        torch.export.save(program, content)
    path.write_bytes(content.getbuffer())
