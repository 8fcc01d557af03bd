"""Making an artefact out of a config and weights."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log

from nasvit_mm.data import class_names
from nasvit_mm.dense import build_model, load_weights
from nasvit_mm.deploy import formats
from nasvit_mm.deploy.artefact import BOXES, CARD, DESCRIPTION, Artefact, Fit
from nasvit_mm.deploy.boxes import check_held
from nasvit_mm.deploy.compare import compared, verdict
from nasvit_mm.deploy.exporting import missing_package
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.images import COMPARED, calibration_images, fit_of, spread
from nasvit_mm.deploy.runtimes import LiteRt, OnnxRuntime, OpenVino, Session, Torch, get_runtime
from nasvit_mm.deploy.score import Score
from nasvit_mm.deploy.timing import record
from nasvit_mm.errors import UsageError, check_number, first_line
from nasvit_mm.files import replacing_folder, sha256
from nasvit_mm.version import __version__

WRITABLE = (OnnxRuntime, OpenVino, LiteRt, Torch)
FILES = (DESCRIPTION, CARD, 'model.bin', *(f'model{kind.suffix}' for kind in WRITABLE))


def make_artefact(
    cfg: Config,
    weights: str,
    out: str | Path,
    to: str,
    size: tuple[int, int],
    *,
    name: str,
    precision: str = 'fp32',
    num_calibration: int = 128,
    batch: int | None = 1,
    dynamic: bool = False,
    logits: bool = False,
    keep_float: tuple[str, ...] = (),
    max_drop: float | None = None,
    force: bool = False,
) -> Artefact:
    """Write the model of a config as an artefact, and compare the two.

    Args:
        cfg: of a segmentor, a detector or a classifier.
        weights: checkpoint that fits it.
        out: folder to write.
        to: runtime, one of :data:`nasvit_mm.deploy.RUNTIMES`.
        size: (H, W) in pixels of the images that the graph takes.
        name: of the config, for the card.
        precision: ``'fp32'``, ``'bf16'`` or ``'int8'``.
        num_calibration: training images by which int8 ranges are chosen, and validation images at
            most by which ``max_drop`` is measured.
        batch: images at once; None: any number.
        dynamic: of a segmentor, take images of other sizes than ``size`` too.
        logits: of a segmentor, give logits instead of a label map.
        keep_float: operations of the graph that stay in float in int8, by their names.
        max_drop: of the metric of validation images: operations are left in float, those whose
            int8 form costs most first, until int8 loses no more; None: whatever it loses.
        force: write over another artefact.

    Raises:
        UsageError: the model has no such form, the runtime or its converter is not installed or
            does not run the precision, the artefact in float32 is another function than the model,
            or the folder holds something else.
    """
    runtime, int8 = get_runtime(to), precision == 'int8'
    check_target(runtime, precision, batch, dynamic, num_calibration, to)
    if max_drop is not None:
        check_number('--max-drop', max_drop, low=0)
        if not int8 or logits:
            raise UsageError('--max-drop is of the metric of an int8 artefact: --int8, no --logits')
    out = Path(out)
    check_out(out, force)
    model = build_model(cfg)
    found = load_weights(model, weights, cfg)
    graph = Graph(model, size, logits, dynamic).eval()
    meta = _meta(cfg, found)
    fit, fill = fit_of(cfg, graph.task), filling(graph)
    images = calibration_images(cfg, size, fit, fill, num_calibration if int8 else COMPARED, int8)
    shown = images[spread(len(images), COMPARED)]
    if graph.task == BOXES:
        check_held(model, graph.normalised(torch.from_numpy(shown)), graph.size)
    origin = dict(
        config=name,
        weights=str(weights),
        weights_sha256=sha256(weights) if Path(weights).is_file() else '',
        nasvit_mm=__version__,
        torch=torch.__version__,
    )
    control = None
    if max_drop is not None:

        def control(artefact: Artefact) -> formats.Control:
            return formats.Control(Score(cfg, artefact, len(images)), max_drop)

    with replacing_folder(out, FILES, lambda: check_out(out, force)) as draft:
        artefact = write_artefact(
            graph,
            draft,
            runtime,
            precision,
            batch,
            fit,
            images,
            origin,
            meta,
            keep_float=keep_float,
            control=control,
        )
        comparison = compared(artefact, graph, shown)
        others = [kind.name for kind in WRITABLE if kind not in (runtime, LiteRt)]
        remarks = [*artefact.remarks, *verdict(artefact, comparison, others)]
        artefact = record(dataclasses.replace(artefact, remarks=remarks), comparison.measured)
    for remark in artefact.remarks:
        print_log(remark, 'current', logging.WARNING)
    return dataclasses.replace(artefact, folder=out)


def write_artefact(
    graph: Graph,
    folder: Path,
    runtime: type[Session],
    precision: str,
    batch: int | None,
    fit: Fit,
    images: np.ndarray,
    origin: Mapping[str, Any],
    meta: Mapping[str, Any],
    *,
    keep_float: Sequence[str] = (),
    correct: bool = True,
    control: Callable[[Artefact], formats.Control] | None = None,
) -> Artefact:
    """Write the files of a graph into a folder; return what describes them, which is not written.

    Args:
        fit: how images come to the graph's size.
        images: by which int8 ranges are chosen, uint8 (n, H, W, 3) of the graph's size.
        origin: what is known of the model.
        meta: ``classes`` and ``palette``, where they are known.
        keep_float: operations that stay in float in int8.
        correct: of int8, correct biases, where NNCF can.
        control: of int8, by the artefact that is being made: how much may be lost.
    """
    classes = list(map(str, meta.get('classes') or ()))
    about = {key: origin[key] for key in ('config', 'weights_sha256', 'nasvit_mm') if key in origin}
    about |= dict(task=graph.task, classes='\n'.join(classes))
    mean, std = (_rgb(graph, getattr(graph.normalisation, key)) for key in ('mean', 'std'))
    artefact = Artefact(
        folder=folder,
        task=graph.task,
        runtime=runtime.name,
        version=runtime.version(),
        precision=precision,
        input=dict(
            name='images',
            shape=[batch, *((None, None) if graph.dynamic else graph.size), 3],
            example=list(graph.size),
            dtype='uint8',
            layout='NHWC',
            colour='RGB',
        ),
        outputs=_outputs(graph, batch),
        mean=mean,
        std=std,
        fit=fit.how,
        share=fit.share,
        fill=filling(graph),
        remarks=graph.remarks,
        classes=classes,
        palette=[list(map(int, colour)) for colour in meta.get('palette') or ()],
        files={},
        origin=dict(origin),
    )
    quantise = None
    if precision == 'int8':
        limit = control and control(artefact)
        quantise = partial(_quantised, images, runtime, keep_float, correct, limit, batch or 1)
    files, notes = _write(graph, runtime, batch, folder, about, quantise)
    return dataclasses.replace(
        artefact, files={path.name: sha256(path) for path in files}, origin={**origin, **notes}
    )


def filling(graph: Graph) -> list[int]:
    """Return the RGB colour that fills what an image leaves of the input: the mean."""
    return [round(value) for value in _rgb(graph, graph.normalisation.mean)]


def check_target(
    runtime: type[Session],
    precision: str,
    batch: int | None,
    dynamic: bool,
    num_calibration: int,
    to: str,
) -> None:
    """Check that a runtime is here and can be written for, before the model is built.

    Raises:
        UsageError: names what it lacks.
    """
    if runtime not in WRITABLE:
        names = ', '.join(kind.name for kind in WRITABLE)
        raise UsageError(f'--to {to}: it runs what another one wrote; written are {names}')
    runtime.check_precision(precision)
    check_number('--calibrate', num_calibration, low=1, whole=True)
    if batch is not None:
        check_number('--batch', batch, low=1, whole=True)
    runtime.module()
    missing = runtime in (OnnxRuntime, OpenVino) and missing_package('onnx', 'onnxscript')
    if missing:
        raise UsageError(f'writing ONNX needs {missing}: pip install "nasvit_mm[deploy]"')
    if runtime is LiteRt and batch != 1:
        raise UsageError('--batch: litert takes one image at once: --batch 1')
    if runtime is LiteRt and dynamic:
        raise UsageError('--dynamic: litert takes images of one size: --shape H W')
    if runtime is LiteRt:
        formats.import_litert_torch()
    if precision == 'int8':
        formats.import_nncf()


def check_out(out: Path, force: bool) -> None:
    """Check that a folder can be written.

    Raises:
        UsageError: it holds an artefact already, or something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    kind = 'an artefact'
    try:
        Artefact.load(out)
    except UsageError as error:
        names = {path.name for path in out.iterdir()} if out.is_dir() else set()
        if DESCRIPTION not in names or not names <= {*FILES}:
            raise UsageError(
                f'--out {out} holds something else than an artefact: give another'
            ) from None
        kind = f'an artefact that cannot be read ({first_line(error)})'
    if not force:
        raise UsageError(f'--out {out} holds {kind}: --force writes over it')


# ---------------------------------------------------------------------- pieces
def _write(
    graph: Graph,
    runtime: type[Session],
    batch: int | None,
    folder: Path,
    about: Mapping[str, str],
    quantise: Callable[[Path, Path], dict[str, Any]] | None,
) -> tuple[list[Path], dict[str, Any]]:
    """Write the model files, the model first; return them, and what is to be said of them.

    Args:
        about: goes into the file.
        quantise: writes one file as another, and returns what is to be said; None: the graph
            stays in float.
    """
    path = folder / f'model{runtime.suffix}'
    if runtime is LiteRt:
        images = torch.zeros(1, *graph.size, 3, dtype=torch.uint8)
        formats.write_litert(graph, (images,), path)
        return [path], {}
    program = formats.exported(graph, batch)
    if issubclass(runtime, Torch):
        formats.write_torch(program, path)
        return [path], {}
    notes = {}
    with tempfile.TemporaryDirectory(dir=folder) as between:  # another disk may be full
        # The last file is the artefact's, those before it lie between.
        steps = [Path(between, 'model.onnx')]
        if runtime is OpenVino:
            steps.append(Path(between, path.name))
        if quantise is None:
            steps[-1] = path
        formats.write_onnx(program, graph, steps[0], about)
        if runtime is OpenVino:
            formats.write_openvino(*steps, about)
        if quantise is not None:
            notes = quantise(steps[-1], path)
    return [path, *([path.with_suffix('.bin')] if runtime is OpenVino else [])], notes


def _quantised(
    images: np.ndarray,
    runtime: type[Session],
    keep_float: Sequence[str],
    correct: bool,
    control: formats.Control | None,
    batch: int,
    path: Path,
    target: Path,
) -> dict[str, Any]:
    """Quantise a file; return what is to be said of it."""
    done = formats.quantise(
        path, target, images, runtime, list(keep_float), correct, control, batch
    )
    notes = dict(
        calibration_images=len(images),
        bias_correction='by NNCF' if done.corrected else 'none: NNCF cannot here',
        kept_in_float=[*keep_float, *done.kept],
    )
    if control is not None:
        notes['max_drop'] = dict(
            metric=control.score.metric,
            validation_images=len(control.score.images),
            allowed=control.max_drop,
            float=done.metrics[0],
            int8=done.metrics[1],
        )
    return notes


def _outputs(graph: Graph, batch: int | None) -> dict[str, Any]:
    with torch.inference_mode():
        found = graph(torch.zeros(1, *graph.size, 3, dtype=torch.uint8))
    found = found if isinstance(found, tuple) else (found,)
    outputs = {
        name: dict(shape=[batch, *value.shape[1:]], dtype=str(value.dtype).partition('.')[2])
        for name, value in zip(graph.output_names, found, strict=True)
    }
    if graph.dynamic:
        for about in outputs.values():  # (N, H, W) or (N, classes, H, W)
            about['shape'][-2:] = None, None
    if graph.masks is not None:
        outputs['masks'] |= dict(graph.masks._asdict(), input=list(graph.padded))
    return outputs


def _rgb(graph: Graph, values: tuple[float, ...]) -> list[float]:
    return list(values if graph.normalisation.rgb else values[::-1])


def _meta(cfg: Config, found: Any) -> Mapping[str, Any]:
    """Return names and colours of the classes: of the weights, else of the test data."""
    meta = found.meta.get('dataset_meta')
    if isinstance(meta, Mapping) and meta.get('classes'):
        return meta
    try:
        return class_names(cfg)
    except (AttributeError, KeyError):  # a classifier's classes are folders
        return {}
