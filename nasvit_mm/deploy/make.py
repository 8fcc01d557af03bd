"""Making an artefact out of a config and weights."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from nasvit_mm.config import type_name
from nasvit_mm.data import class_names
from nasvit_mm.dense import build_model, load_weights
from nasvit_mm.deploy import formats
from nasvit_mm.deploy.artefact import BOXES, CARD, DESCRIPTION, PAD, STRETCH, Artefact
from nasvit_mm.deploy.card import card_text
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.predictor import fitted, open_artefact, read_image
from nasvit_mm.deploy.runtimes import LiteRt, OnnxRuntime, OpenVino, Session, Torch, get_runtime
from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.files import replacing_folder, sha256, write_text
from nasvit_mm.version import __version__

COMPARED = 4  # images by which an artefact is compared with the model it is made of
WRITABLE = (OnnxRuntime, OpenVino, LiteRt, Torch)
SUFFIXES = ('.bin', *(runtime.suffix for runtime in WRITABLE))


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
    logits: bool = False,
    keep_float: tuple[str, ...] = (),
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
        num_calibration: training images by which int8 ranges are chosen.
        batch: images at once; None: any number.
        logits: of a segmentor, give logits instead of a label map.
        keep_float: operations of the graph that stay in float in int8, by their names.
        force: write over another artefact.

    Raises:
        UsageError: the model has no such form, the runtime or its converter is not installed or
            does not run the precision, or the folder holds something else.
    """
    runtime = get_runtime(to)
    check_target(runtime, precision, batch, num_calibration, to)
    out = Path(out)
    check_out(out, force)
    model = build_model(cfg)
    found = load_weights(model, weights, cfg)
    graph = Graph(model, size, logits).eval()
    images = calibration_images(cfg, graph, num_calibration if precision == 'int8' else COMPARED)
    names = [DESCRIPTION, CARD, *(f'model{suffix}' for suffix in SUFFIXES)]
    with replacing_folder(out, names, lambda: check_out(out, force)) as draft:
        artefact = Artefact(
            folder=draft,
            task=graph.task,
            runtime=runtime.name,
            version=runtime.version(),
            precision=precision,
            input=dict(
                name='images', shape=[batch, *size, 3], dtype='uint8', layout='NHWC', colour='RGB'
            ),
            outputs=_outputs(graph, batch),
            mean=_rgb(graph, graph.normalisation.mean),
            std=_rgb(graph, graph.normalisation.std),
            fit=fit_of(cfg, graph.task),
            fill=[round(value) for value in _rgb(graph, graph.normalisation.mean)],
            classes=[],
            palette=[],
            files={},
            origin=dict(
                config=name,
                weights=str(weights),
                weights_sha256=sha256(weights) if Path(weights).is_file() else '',
                nasvit_mm=__version__,
                torch=torch.__version__,
                **({} if precision != 'int8' else dict(calibration_images=len(images))),
                **({} if not keep_float else dict(kept_in_float=list(keep_float))),
            ),
        )
        meta = _meta(cfg, found)
        artefact = dataclasses.replace(
            artefact,
            classes=list(map(str, meta.get('classes') or ())),
            palette=[list(map(int, colour)) for colour in meta.get('palette') or ()],
        )
        files = _write(graph, runtime, precision, batch, draft, images, list(keep_float), artefact)
        artefact = dataclasses.replace(artefact, files={path.name: sha256(path) for path in files})
        artefact = artefact.with_measured(**compared(artefact, graph, images[:COMPARED]))
        artefact.save()
        write_text(draft / CARD, card_text(artefact))
    return dataclasses.replace(artefact, folder=out)


def check_target(
    runtime: type[Session], precision: str, batch: int | None, num_calibration: int, to: str
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
    if runtime in (OnnxRuntime, OpenVino):
        for package in ('onnx', 'onnxscript'):
            try:
                __import__(package)
            except ImportError as error:
                raise UsageError(
                    f'writing ONNX needs {package}: pip install "nasvit_mm[deploy]"'
                ) from error
    if runtime is LiteRt and batch != 1:
        raise UsageError('--batch: litert takes one image at once: --batch 1')


def check_out(out: Path, force: bool) -> None:
    """Check that a folder can be written.

    Raises:
        UsageError: it holds an artefact already, or something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        Artefact.load(out)
    except UsageError:
        raise UsageError(f'--out {out} holds something else than an artefact: give another') from (
            None
        )
    if not force:
        raise UsageError(f'--out {out} holds an artefact: --force writes over it')


def fit_of(cfg: Config, task: str) -> str:
    """Return how images come to the input's size: as the test pipeline resizes them."""
    steps = cfg.get('test_pipeline') or ()
    ratio = any(type_name(step) == 'Resize' and step.get('keep_ratio') for step in steps)
    return PAD if task == BOXES and ratio else STRETCH


def calibration_images(cfg: Config, graph: Graph, number: int) -> np.ndarray:
    """Return training images at the input's size, uint8 (n, H, W, 3), spread over the set.

    Without a training set only drawn noise, of fewer images, which compares but does not
    calibrate.

    Raises:
        UsageError: the config names no training images.
    """
    files = training_files(cfg)
    if not files:
        return np.random.default_rng(0).integers(
            0, 256, (min(number, COMPARED), *graph.size, 3), np.uint8
        )
    chosen = files[:: max(1, len(files) // number)][:number]
    fit = fit_of(cfg, graph.task)
    fill = [round(value) for value in _rgb(graph, graph.normalisation.mean)]
    return np.stack([fitted(read_image(path), graph.size, fit, fill)[0] for path in chosen])


def training_files(cfg: Config) -> list[str]:
    """Return the image files of a config's training set; none where it is not there."""
    dataset = (cfg.get('train_dataloader') or {}).get('dataset')
    if dataset is None:
        return []
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    try:
        built = DATASETS.build(dataset)
    except (OSError, UsageError):
        return []
    if hasattr(built, 'samples'):
        return [path for path, _ in built.samples]
    if hasattr(built, 'get_data_info'):
        return [built.get_data_info(i)['img_path'] for i in range(len(built))]
    return []


def compared(artefact: Artefact, graph: Graph, images: np.ndarray) -> dict[str, Any]:
    """Return how an artefact's outputs stand to those of the model, by PyTorch in float32.

    Of a label map the share of equal labels; else the largest difference of scores.
    """
    session = open_artefact(artefact)
    batch = artefact.batch or len(images)
    equal, difference = [], 0.0
    for start in range(0, len(images) - len(images) % batch, batch):
        given = images[start : start + batch]
        found = session.run(given)
        with torch.inference_mode():
            wanted = graph(torch.from_numpy(given))
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        wanted = dict(zip(graph.output_names, (value.numpy() for value in wanted)))
        if 'label_map' in wanted:
            equal.append(float((found['label_map'] == wanted['label_map']).mean()))
        else:
            name = 'logits' if 'logits' in wanted else 'scores'
            difference = max(difference, float(np.abs(found[name] - wanted[name]).max()))
    if equal:
        return dict(equal_labels=float(np.mean(equal)), compared_images=len(images))
    return dict(largest_difference=difference, compared_images=len(images))


# ---------------------------------------------------------------------- pieces
def _write(
    graph: Graph,
    runtime: type[Session],
    precision: str,
    batch: int | None,
    folder: Path,
    images: np.ndarray,
    keep_float: list[str],
    artefact: Artefact,
) -> list[Path]:
    path = folder / f'model{runtime.suffix}'
    if runtime is LiteRt:
        formats.write_litert(graph, path)
        return [path]
    program = formats.exported(graph, batch)
    if runtime is Torch:
        formats.write_torch(program, path)
        return [path]
    about = dict(
        task=artefact.task,
        classes='\n'.join(artefact.classes),
        config=artefact.origin['config'],
        weights_sha256=artefact.origin['weights_sha256'],
        nasvit_mm=__version__,
    )
    with tempfile.TemporaryDirectory() as between:
        last = runtime is OnnxRuntime and precision != 'int8'
        onnx = path if last else Path(between, 'model.onnx')
        formats.write_onnx(program, graph, onnx, about)
        ready = onnx
        if runtime is OpenVino:
            ready = Path(between, path.name) if precision == 'int8' else path
            formats.write_openvino(onnx, ready, about)
        if precision == 'int8':
            formats.quantise(ready, path, images, runtime, keep_float)
    return [path, *([path.with_suffix('.bin')] if runtime is OpenVino else [])]


def _outputs(graph: Graph, batch: int | None) -> dict[str, Any]:
    with torch.inference_mode():
        found = graph(torch.zeros(1, *graph.size, 3, dtype=torch.uint8))
    found = found if isinstance(found, tuple) else (found,)
    return {
        name: dict(shape=[batch, *value.shape[1:]], dtype=str(value.dtype).partition('.')[2])
        for name, value in zip(graph.output_names, found, strict=True)
    }


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
