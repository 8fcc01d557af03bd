"""Writing a :class:`~nasvit_mm.deploy.graph.Graph` in the format of a runtime."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from nasvit_mm.deploy.artefact import MULTIPLE
from nasvit_mm.deploy.exporting import LARGEST_BATCH, LARGEST_SIDE, exported_program, quiet, reason
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.images import in_batches
from nasvit_mm.deploy.runtimes import LiteRt, OpenVino, Session, without_telemetry
from nasvit_mm.deploy.score import Score
from nasvit_mm.deploy.vectors import chained_layers
from nasvit_mm.errors import UsageError, first_line

PROBE = 2**20  # bytes that a disk takes which is not full


def exported(graph: Graph, batch: int | None) -> ExportedProgram:
    """Return the program of a graph, for a number of images; None: any.

    Height and width are those of the graph, or any multiples of 32 where it is dynamic.

    Raises:
        UsageError: the model does what no graph holds.
    """
    height, width = graph.size
    images = torch.zeros(batch or 2, height, width, 3, dtype=torch.uint8)
    free = {} if batch else {0: torch.export.Dim('batch', min=1, max=LARGEST_BATCH)}
    if graph.dynamic:
        most = LARGEST_SIDE // MULTIPLE
        sides = (torch.export.Dim(name, min=2, max=most) * MULTIPLE for name in ('rows', 'columns'))
        free |= dict(zip((1, 2), sides))
    try:
        with quiet(progress=True):
            return exported_program(graph, (images,), (free,) if free else None)
    except UsageError:
        raise
    except Exception as error:  # torch.export raises what the model's code does, and more
        remedies = ['--batch 1'] * (not batch) + ['no --dynamic'] * graph.dynamic
        remedy = f'; try {" and ".join(remedies)}' if remedies else ''
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
    model = OpenVino.core().read_model(str(onnx))
    for key, value in about.items():
        model.set_rt_info(value, ['nasvit_mm', key])
    with system_errors(path):
        openvino.save_model(model, str(path), compress_to_fp16=False)


class Control(NamedTuple):
    """How much an int8 graph may lose.

    Attributes:
        score: the metric of validation images, by a function of images.
        max_drop: of it, in its own units.
    """

    score: Score
    max_drop: float


class Quantised(NamedTuple):
    """What became of a graph in int8.

    Attributes:
        corrected: whether biases were.  NNCF takes the first axis of maps for the batch when it
            does so, and fails where a convolution runs over the windows of an image (talking
            heads).
        kept: names of the operations in float besides those asked for: that a :class:`Control`
            keeps, or that the runtime must not have in int8.
        metrics: of the graph in float and in int8, under a control.
    """

    corrected: bool
    kept: Sequence[str] = ()
    metrics: tuple[float, float] | None = None


def import_nncf() -> ModuleType:
    """Import NNCF.

    Raises:
        UsageError: it is not installed.
    """
    try:
        with quiet(progress=True), without_telemetry():
            return importlib.import_module('nncf')
    except ImportError as error:
        raise UsageError(
            f'--int8 needs nncf, which cannot be imported ({error}): pip install '
            '"nasvit_mm[deploy]"'
        ) from error


def import_litert_torch() -> ModuleType:
    """Import what writes for LiteRT.

    Raises:
        UsageError: it is not installed.
    """
    try:
        with quiet(progress=True):
            return importlib.import_module('litert_torch')
    except ImportError as error:
        raise UsageError(
            f'writing for litert needs litert-torch, which cannot be imported ({error}): pip '
            f'install "nasvit_mm[{LiteRt.extra}]"'
        ) from error


def quantise(
    path: Path,
    target: Path,
    images: np.ndarray,
    runtime: type[Session],
    ignored: list[str],
    correct: bool = True,
    control: Control | None = None,
    batch: int = 1,
) -> Quantised:
    """Write an int8 form of an ONNX or OpenVINO file, by NNCF's post-training quantisation.

    Args:
        images: uint8 (n, H, W, 3), by which ranges are chosen.
        ignored: names of the graph's operations that stay in float.
        correct: correct biases, where NNCF can.
        control: leave in float, one after the other, what costs most, until no more is lost.
        batch: images that the graph takes at once; see :func:`in_batches`.

    Raises:
        UsageError: NNCF is missing, cannot quantise the graph, or not within the drop.
    """
    nncf = import_nncf()
    parameters = importlib.import_module('nncf.quantization.advanced_parameters')
    read, write, item = _file_of(runtime)
    chained = chained_layers(read(path)) if runtime is OpenVino else []
    ignored = [*ignored, *chained]
    batches = in_batches(images, batch)
    for corrected in (True, False) if correct else (False,):
        options = dict(
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
            subset_size=len(batches),
        )
        advanced = nncf.AdvancedQuantizationParameters(
            disable_bias_correction=not corrected,
            # NNCF would give the input of a depthwise convolution a range for each channel, and
            # where it is tokens, (N, L, C), before, one for each token: OpenVINO then computes NaN.
            activations_quantization_params=parameters.QuantizationParameters(per_channel=False),
        )
        alone = runtime.others_cores() if runtime is OpenVino else nullcontext()
        data = nncf.Dataset([item(given) for given in batches])
        try:
            with quiet(progress=True), alone:
                if control is None:
                    model = nncf.quantize(read(path), data, advanced_parameters=advanced, **options)
                    done = Quantised(corrected, chained)
                else:
                    options['advanced_quantization_parameters'] = advanced
                    model, done = _controlled(read(path), data, runtime, control, options)
                    done = done._replace(corrected=corrected, kept=[*chained, *done.kept])
                write(model, target)
            return done
        except (UsageError, OSError):  # the drop, or the disk
            raise
        except Exception as error:  # of NNCF, by its own classes
            failed = error
    raise UsageError(
        f'{runtime.name}: NNCF cannot quantise the graph: {first_line(failed)}'
    ) from failed


def _file_of(runtime: type[Session]) -> tuple[Callable, Callable, Callable]:
    """Return how NNCF's models of a runtime are read and written, and what images are to them."""
    if runtime is OpenVino:
        openvino = OpenVino.module()

        def save(model: Any, path: Path) -> None:
            with system_errors(path):
                openvino.save_model(model, str(path), compress_to_fp16=False)

        return lambda path: OpenVino.core().read_model(str(path)), save, lambda image: image
    import onnx

    return onnx.load, lambda model, path: onnx.save(model, str(path)), lambda x: {'images': x}


def _controlled(
    model: Any, data: Any, runtime: type[Session], control: Control, options: dict[str, Any]
) -> tuple[Any, Quantised]:
    """Quantise by NNCF's accuracy control, which ranks operations by what their int8 form costs."""
    import nncf
    from nncf.quantization.algorithms.accuracy_control import algorithm

    score, reports = control.score, []
    float_ = score(runtime.of_model(model), score.images)

    def validate(prepared: Any, items: Iterable[Any]) -> tuple[float, None]:
        return score(runtime.of_model(prepared), [int(item) for item in items]), None

    kept_report = algorithm.QuantizationAccuracyRestorer._print_report
    with patch.object(
        algorithm.QuantizationAccuracyRestorer,
        '_print_report',
        lambda report, *rest: (reports.append(report), kept_report(report, *rest)),
    ):
        found = nncf.quantize_with_accuracy_control(
            model,
            data,
            nncf.Dataset(score.images),
            validate,
            max_drop=control.max_drop,
            drop_type=nncf.DropType.ABSOLUTE,
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=len(score.images), num_ranking_workers=1
            ),
            **options,
        )
    kept = sorted({node.node_name for report in reports for node in report.reverted_operations})
    int8 = score(runtime.of_model(found), score.images)
    if float_ - int8 > control.max_drop:
        raise UsageError(
            f'--max-drop {control.max_drop:g}: {score.metric} of {len(score.images)} validation '
            f'images is {float_:.4g} in float and {int8:.4g} in int8, and no choice of operations '
            'in float was found that costs less: allow more, or more images by --calibrate'
        )
    return found, Quantised(True, kept, (float_, int8))


def write_litert(network: nn.Module, images: tuple[torch.Tensor, ...], path: Path) -> None:
    """Write LiteRT's ``.tflite`` of a network of such inputs.

    Raises:
        UsageError: the converter is missing, or does not hold what the network does.
    """
    litert_torch = import_litert_torch()
    try:
        with quiet(progress=True), torch.no_grad(), system_errors(path):
            litert_torch.convert(network, images).export(str(path))
    except (UsageError, OSError):  # of the disk
        raise
    except Exception as error:  # of torch.export, of the converter and of what it is made of
        name = type(getattr(network, 'model', network)).__name__
        raise UsageError(
            f'{name} cannot be written for litert ({reason(error)}): --to onnx or --to openvino '
            'holds more operations'
        ) from error


def write_torch(program: ExportedProgram, path: Path) -> None:
    """Write PyTorch's ``.pt2``."""
    content = io.BytesIO()  # of a full disk torch's own writer ends the process
    with quiet(progress=True):
        torch.export.save(program, content)
    path.write_bytes(content.getbuffer())
