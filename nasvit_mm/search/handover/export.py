"""Hand a candidate over to training: weights, architecture, a config that uses them, a card."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from mmengine.config import Config
from torch import nn

from nasvit_mm.checkpoints import save_weights
from nasvit_mm.config import type_name
from nasvit_mm.dense import SearchedModel, Size, build_model, load_weights
from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.files import write_text
from nasvit_mm.nn import batch_norms
from nasvit_mm.search.evaluators.supernet import SupernetEvaluator
from nasvit_mm.search.handover.card import (
    ARCH,
    CARD,
    CONFIG,
    WEIGHTS,
    card_text,
    metrics_line,
    supernet_digests,
)
from nasvit_mm.search.handover.weights import NOT_DONE, recalibrate_backbone, slice_backbone
from nasvit_mm.spaces import Arch

BESIDE = '{{ fileDirname }}/' + WEIGHTS  # in a config, the folder that it is in


class Exported(NamedTuple):
    """What :func:`export_subnet` wrote.

    Attributes:
        paths: of the files.
        norms: one sentence about the batch norm statistics.
        calibrated: whether they are of this subnet, or there are none.
        measured: of a whole model, its metrics on the images of the search.
        warnings: what is not as in the search.
    """

    paths: list[Path]
    norms: str
    calibrated: bool
    measured: Mapping[str, float] = MappingProxyType({})
    warnings: tuple[str, ...] = ()


def export_subnet(
    folder: str | Path,
    task: SearchedModel,
    arch: Any,
    size: Size,
    supernet: nn.Module | None = None,
    phase: int = 0,
    num_calibration: int = 64,
    origin: Mapping[str, Any] | None = None,
) -> Exported:
    """Write ``weights.pth``, ``arch.json``, ``config.py`` and a model card.

    The config is the task's with the subnet for its backbone, complete in itself; it finds the
    weights beside it, so the folder can be moved.

    Args:
        folder: made where it is not there.
        task: the dense model, its training and its data.
        arch: any form that ``Space.arch`` takes.
        size: (H, W) of the costs on the card.
        supernet: a model with the elastic backbone that the weights are sliced out of; None: no
            weights, the config trains from scratch.
        phase: of the weight sharing.
        num_calibration: batches of the task's training images by which batch norm statistics are
            recalibrated; 0, or images that are not there: those of the supernet stay, which fit
            no subnet, and the card says so.
        origin: more lines of the card.

    Raises:
        UsageError: the supernet does not hold the architecture.
    """
    folder, arch = Path(folder), task.space.arch(arch)
    folder.mkdir(parents=True, exist_ok=True)
    cfg = task.config(arch)
    cfg.pop('load_from', None)  # weights of another architecture
    norms, calibrated = 'Without weights: `config.py` trains from scratch.', True
    if supernet is None:
        (folder / WEIGHTS).unlink(missing_ok=True)  # of another export
    else:
        state = slice_backbone(supernet.backbone, arch, phase)
        origin = dict(origin or {}, **_phase(supernet.backbone, phase))
        norms, calibrated = recalibrate_backbone(cfg, state, num_calibration)
        save_weights(
            folder / WEIGHTS,
            state,
            task.space,
            arch,
            bn_recalibrated=calibrated,
            **dict(origin or {}),
        )
        cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=BESIDE)
    paths = _describe(folder, task, cfg, arch, size, norms, origin or {})
    if supernet is not None:
        paths.insert(0, folder / WEIGHTS)
    return Exported(paths, norms, calibrated)


def export_model(
    folder: str | Path,
    task: SearchedModel,
    arch: Any,
    size: Size,
    evaluator: SupernetEvaluator,
    origin: Mapping[str, Any] | None = None,
) -> Exported:
    """Write the whole task model out of a supernet that was trained in the task.

    That is backbone, neck and head, batch norms recalibrated as in the search; the files are those
    of :func:`export_subnet`.  What was written is read again and measured on the images of the
    search, so that the card has the metric of these very files.

    Args:
        evaluator: of the search.

    Raises:
        UsageError: the supernet is of another model than the task.
    """
    folder, arch = Path(folder), task.space.arch(arch)
    folder.mkdir(parents=True, exist_ok=True)
    cfg = task.config(arch)
    model = evaluator.subnet(arch)
    origin = dict(origin or {}, **_phase(evaluator.model.backbone, evaluator.phases[0]))
    save_weights(
        folder / WEIGHTS,
        {k: v.cpu() for k, v in model.state_dict().items()},
        task.space,
        arch,
        **origin,
    )
    written = build_model(copy.deepcopy(cfg))
    load_weights(written, str(folder / WEIGHTS), cfg)
    measured = evaluator.measure(written.to(next(model.parameters()).device))
    origin[f'measured of these weights, on the {evaluator.split} pictures'] = metrics_line(measured)
    number, norms = evaluator.calibration_batches, 'The whole model, which has no batch norms.'
    if batch_norms(model):
        norms = (
            (
                'The whole model; batch norm statistics were recalibrated as in the search, on '
                f'{number} batches of training pictures.'
            )
            if number
            else NOT_DONE
        )
    cfg.load_from = BESIDE
    if _joined(cfg):
        origin['training'] = (
            f'`{CONFIG}` trains on all training pictures, those too that were '
            'held out for the search'
        )
    paths = _describe(folder, task, cfg, arch, size, norms, origin)
    return Exported([folder / WEIGHTS, *paths], norms, norms != NOT_DONE, measured)


def _joined(cfg: Config) -> bool:
    """Give a training set its held-out part back: nothing is chosen by it any more."""
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    split = type_name(dataset) == 'SplitDataset'
    if split:
        cfg.train_dataloader.dataset = dataset.dataset
    return split


def _phase(backbone: nn.Module, phase: int) -> dict[str, Any]:
    """Return a line of the card, where the weights are shared in several phases."""
    return {'phase of the weight sharing': phase} if backbone.phases > 1 else {}


def check_folder(folder: str | Path, arch: Arch, origin: Mapping[str, Any]) -> None:
    """Check that a folder holds no export, or one of the same architecture and supernet.

    Args:
        origin: of the export to come; its supernet is told by its digest.

    Raises:
        UsageError: names the folder, and what it holds.
    """
    folder = Path(folder)
    if not (folder / ARCH).is_file():
        return
    card = (folder / CARD).read_text() if (folder / CARD).is_file() else ''
    if json.loads((folder / ARCH).read_text()) != arch.to_dict():
        held = 'another architecture'
    elif supernet_digests(card) != supernet_digests(str(origin.get('supernet', ''))):
        held = 'this architecture, with weights of another supernet or none'
    else:
        return
    raise UsageError(
        f'{shown_path(folder)} holds an export of {held}: give another --out, or '
        '--force to write over it'
    )


def _describe(
    folder: Path,
    task: SearchedModel,
    cfg: Config,
    arch: Arch,
    size: Size,
    norms: str,
    origin: Mapping[str, Any],
) -> list[Path]:
    """Write architecture, config and card; return their paths."""
    write_text(folder / ARCH, json.dumps(arch.to_dict(), indent=1) + '\n')
    write_text(folder / CONFIG, _config_text(cfg, arch))
    write_text(folder / CARD, card_text(folder, task, arch, size, norms, origin))
    return [folder / name for name in (ARCH, CONFIG, CARD)]


def _config_text(cfg: Config, arch: Arch) -> str:
    cfg.work_dir = '{{ fileDirname }}/train'
    cfg.pop('resume', None)  # of the task's own training
    return (
        f'"""{cfg.model.type} with a searched backbone of {arch.space}; see {CARD}.\n\n'
        f'    python tools/train.py {CONFIG}\n"""\n' + cfg.pretty_text
    )
