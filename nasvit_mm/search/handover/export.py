"""Hand a candidate over to training: weights, architecture, a config that uses them, a card."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from mmengine.config import Config
from torch import nn

from nasvit_mm.checkpoints import save_weights
from nasvit_mm.config import type_name
from nasvit_mm.dense import SearchedModel, Size, build_model, load_weights
from nasvit_mm.errors import ArchitectureError, UsageError, shown_path
from nasvit_mm.files import replacing_folder
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
from nasvit_mm.spaces import Arch, load_arch_file

FILES = (WEIGHTS, ARCH, CARD, CONFIG)
# A config finds its own folder by Python: mmengine puts {{ fileDirname }} into the text as it is,
# where a quote in a folder's name ends the string, and the rest of the name would run.
HERE = """
import os.path

__here__ = os.path.dirname((lambda: None).__code__.co_filename)  # this folder, also once moved
"""
INTO_BACKBONE = "model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint={})\n"
INTO_MODEL = 'load_from = {}\n'


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
    check: Callable[[], None] | None = None,
    checked_in: str | Path | None = None,
) -> Exported:
    """Write ``weights.pth``, ``arch.json``, ``config.py`` and a model card: all of them or none.

    The config is the task's with the subnet for its backbone, complete in itself; it finds the
    weights beside it, so the folder can be moved.  An earlier export in the folder is replaced as a
    whole; what else is there, such as a training, stays.

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
        check: raises where the folder must not be replaced; is called right before it is.
        checked_in: as of :func:`recalibrate_backbone`.

    Raises:
        UsageError: the supernet does not hold the architecture; the folder cannot be written, and
            holds what it held.
    """
    folder, arch, origin = Path(folder), task.space.arch(arch), dict(origin or {})
    own, _ = task.space.split(arch)
    cfg = task.config(arch)
    cfg.pop('load_from', None)  # weights of another architecture
    norms, calibrated = f'Without weights: {CONFIG} trains from scratch.', True
    with replacing_folder(folder, FILES, check) as draft:
        if supernet is not None:
            state = slice_backbone(supernet.backbone, own, phase)
            origin.update(_phase(supernet.backbone, phase))
            norms, calibrated = recalibrate_backbone(cfg, state, num_calibration, checked_in)
            space = task.space.without_task
            save_weights(draft / WEIGHTS, state, space, own, bn_recalibrated=calibrated, **origin)
        card = card_text(folder, task, arch, size, norms, calibrated, origin)
        _describe(draft, cfg, arch, card, '' if supernet is None else INTO_BACKBONE)
    return Exported(_written(folder), norms, calibrated)


def export_model(
    folder: str | Path,
    task: SearchedModel,
    arch: Any,
    size: Size,
    evaluator: SupernetEvaluator,
    origin: Mapping[str, Any] | None = None,
    check: Callable[[], None] | None = None,
) -> Exported:
    """Write the whole task model out of a supernet that was trained in the task.

    That is backbone, neck and head, batch norms recalibrated as in the search; the files are those
    of :func:`export_subnet`.  What was written is read again and measured on the images of the
    search, so that the card has the metric of these very files.

    Args:
        evaluator: of the search.
        check: as of :func:`export_subnet`.

    Raises:
        UsageError: the supernet is of another model than the task; the folder cannot be written,
            and holds what it held.
    """
    folder, arch = Path(folder), task.space.arch(arch)
    own, _ = task.space.split(arch)
    cfg = task.config(arch)
    with replacing_folder(folder, FILES, check) as draft:
        model = evaluator.subnet(arch)
        origin = dict(origin or {}, **_phase(evaluator.model.backbone, evaluator.phases[0]))
        save_weights(
            draft / WEIGHTS,
            {k: v.cpu() for k, v in model.state_dict().items()},
            task.space.without_task,
            own,
            **origin,
        )
        written = build_model(copy.deepcopy(cfg))
        load_weights(written, str(draft / WEIGHTS), cfg)
        measured = evaluator.measure(written.to(next(model.parameters()).device))
        origin[f'measured of these weights, on {evaluator.judging}'] = metrics_line(measured)
        norms, calibrated = _norms(model, evaluator.calibration_batches)
        if _joined(cfg):
            origin['training'] = (
                f'{CONFIG} trains on all training images, those too that were held out for the '
                'search'
            )
        card = card_text(folder, task, arch, size, norms, calibrated, origin)
        _describe(draft, cfg, arch, card, INTO_MODEL)
    return Exported(_written(folder), norms, calibrated, measured)


def _norms(model: nn.Module, batches: int) -> tuple[str, bool]:
    """Return as :func:`recalibrate_backbone` what the statistics of a whole model are."""
    if not batch_norms(model):
        return 'The whole model, which has no batch norms.', True
    if not batches:
        return NOT_DONE, False
    return (
        'The whole model; batch norm statistics were recalibrated as in the search, on '
        f'{batches} batches of training images.'
    ), True


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
    card = (folder / CARD).read_text(encoding='utf-8') if (folder / CARD).is_file() else ''
    try:
        same = load_arch_file(folder / ARCH) == arch.to_dict()
    except ArchitectureError as error:
        raise UsageError(
            f'{shown_path(folder)} holds a damaged export ({error}): give another --out, or '
            '--force to write over it'
        ) from error
    if not same:
        held = 'another architecture'
    elif supernet_digests(card) != supernet_digests(str(origin.get('supernet', ''))):
        held = 'this architecture, with weights of another supernet or none'
    else:
        return
    raise UsageError(
        f'{shown_path(folder)} holds an export of {held}: give another --out, or '
        '--force to write over it'
    )


def _describe(draft: Path, cfg: Config, arch: Arch, card: str, weights: str) -> None:
    """Write architecture, config and card.

    Args:
        weights: line of the config that takes the weights, which are beside it; '' without any.
    """
    (draft / ARCH).write_text(json.dumps(arch.to_dict(), indent=1) + '\n', encoding='utf-8')
    (draft / CONFIG).write_text(_config_text(cfg, arch, weights), encoding='utf-8')
    (draft / CARD).write_text(card, encoding='utf-8')


def _written(folder: Path) -> list[Path]:
    return [folder / name for name in FILES if (folder / name).is_file()]


def _config_text(cfg: Config, arch: Arch, weights: str) -> str:
    cfg = Config(_quotable(cfg.to_dict()))
    cfg.pop('resume', None)  # of the task's own training
    cfg.pop('work_dir', None)
    # In strings: mmengine would put its own variables' values there.
    text = cfg.pretty_text.replace('{{', '{\\x7b')
    beside = "os.path.join(__here__, '{}')"
    return (
        f'"""{cfg.model.type} with a searched backbone of {arch.space}; see {CARD}.\n\n'
        f'    python tools/train.py {CONFIG}\n"""\n{HERE}{text}\n'
        f'work_dir = {beside.format("train")}\n{weights.format(beside.format(WEIGHTS))}'
    )


def _quotable(node: Any) -> Any:
    """Return a config whose keys end no string: mmengine puts them between quotes as they are."""
    if isinstance(node, dict):
        return {_escaped(k) if isinstance(k, str) else k: _quotable(v) for k, v in node.items()}
    return type(node)(map(_quotable, node)) if type(node) in (list, tuple) else node


def _escaped(key: str) -> str:
    return key.encode('unicode_escape').decode().replace("'", "\\'")
