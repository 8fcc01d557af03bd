"""Hand a candidate over to training: weights, architecture, a config that uses them, a card."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from nasvit_mm.checkpoints import extract_state, save_weights
from nasvit_mm.config import type_name
from nasvit_mm.data import check_data, seed_everything
from nasvit_mm.dense import DenseTask, Size, build_model, load_weights
from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.files import write_text
from nasvit_mm.nn import batch_norms, recalibrate_bn
from nasvit_mm.search.evaluators.supernet import SupernetEvaluator
from nasvit_mm.spaces import Arch, get_space
from nasvit_mm.supernet import check_phase
from nasvit_mm.version import __version__

WEIGHTS, ARCH, CONFIG, CARD = 'weights.pth', 'arch.json', 'config.py', 'README.md'
BESIDE = '{{ fileDirname }}/' + WEIGHTS  # in a config, the folder that it is in
NOT_DONE = (
    "**Batch norm statistics are the supernet's, a mixture that fits no subnet.** "
    'Fine-tuning mends them; do not judge these weights as they are.'
)
TAKERS = ('neck', 'decode_head', 'rpn_head', 'bbox_head', 'roi_head')  # named on the card


class Exported(NamedTuple):
    """What :func:`export_subnet` wrote.

    Attributes:
        paths: of the files.
        norms: one sentence about the batch norm statistics.
        calibrated: whether they are of this subnet, or there are none.
        measured: of a whole model, its figures on the pictures of the search.
    """

    paths: list[Path]
    norms: str
    calibrated: bool
    measured: Mapping[str, float] = MappingProxyType({})


def export_subnet(
    folder: str | Path,
    task: DenseTask,
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
        num_calibration: batches of the task's training pictures by which batch norm statistics are
            recalibrated; 0, or pictures that are not there: those of the supernet stay, which fit
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
        state = _sliced(supernet.backbone, arch, phase)
        origin = dict(origin or {}, **_phase(supernet.backbone, phase))
        norms, calibrated = _recalibrate(cfg, state, num_calibration)
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
    task: DenseTask,
    arch: Any,
    size: Size,
    evaluator: SupernetEvaluator,
    origin: Mapping[str, Any] | None = None,
) -> Exported:
    """:func:`export_subnet` of a supernet that was trained in the task: the whole task model.

    Backbone, neck and head, batch norms recalibrated as in the search.  What was written is read
    again and measured on the pictures of the search, so that the card has the figure of these very
    files.

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
    split = evaluator.pictures.removesuffix('_dataloader')
    origin[f'measured of these weights, on the {split} pictures'] = listed(measured)
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
    """A line of the card, where the weights are shared in several phases."""
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
    elif _digests(card) != _digests(str(origin.get('supernet', ''))):
        held = 'this architecture, with weights of another supernet or none'
    else:
        return
    raise UsageError(
        f'{shown_path(folder)} holds an export of {held}: give another --out, or '
        '--force to write over it'
    )


def _digests(text: str) -> list[str]:
    return re.findall(r'sha256 (\w+)', text)


def listed(figures: Mapping[str, float]) -> str:
    """Figures in a line."""
    return ', '.join(f'{k} {v:.6g}' for k, v in figures.items())


def _describe(
    folder: Path,
    task: DenseTask,
    cfg: Config,
    arch: Arch,
    size: Size,
    norms: str,
    origin: Mapping[str, Any],
) -> list[Path]:
    """Architecture, config and card."""
    write_text(folder / ARCH, json.dumps(arch.to_dict(), indent=1) + '\n')
    write_text(folder / CONFIG, _config_text(cfg, arch))
    write_text(folder / CARD, _card(folder, task, arch, size, norms, origin))
    return [folder / name for name in (ARCH, CONFIG, CARD)]


def _sliced(backbone: nn.Module, arch: Arch, phase: int) -> dict[str, torch.Tensor]:
    check_phase(backbone, phase)
    try:
        backbone.space.arch(arch.to_dict())
    except ValueError as error:
        raise UsageError(f'the supernet does not hold {arch}: {error}') from error
    return extract_state(backbone, backbone.state_dict(), arch, phase)


def _recalibrate(cfg: Config, state: dict[str, torch.Tensor], number: int) -> tuple[str, bool]:
    """Bring the statistics in a backbone's state to the task's pictures; what came of it."""
    cfg = copy.deepcopy(cfg)
    model = build_model(cfg)
    if not batch_norms(model.backbone):
        return 'The backbone has no batch norms: nothing to recalibrate.', True
    if not number:
        return f'{NOT_DONE} (Recalibration was switched off.)', False
    if 'train_dataloader' not in cfg:
        return f'{NOT_DONE} (The task has no train_dataloader.)', False
    try:
        check_data(cfg, 'train')
    except UsageError as error:
        return f'{NOT_DONE} ({error})', False
    model.backbone.load_state_dict(state, strict=False)  # the dense one may end at an earlier stage
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    seed_everything(0)  # augmentation that no SeedTransforms seeds
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    if torch.cuda.is_available():
        model.cuda()
    pictures = 0

    def forward(net: nn.Module, batch: Any) -> None:
        nonlocal pictures
        inputs = model.data_preprocessor(batch, True)['inputs']
        pictures += len(inputs)
        net(inputs)

    batches = recalibrate_bn(model.backbone, islice(loader, number), forward)
    for key, value in model.backbone.state_dict().items():
        if key in state and 'running_' in key:
            state[key] = value.cpu()
    return (
        f'Batch norm statistics were recalibrated on {pictures} training pictures of the task '
        f'({batches} batches).'
    ), True


def _config_text(cfg: Config, arch: Arch) -> str:
    cfg.work_dir = '{{ fileDirname }}/train'
    cfg.pop('resume', None)  # of the task's own training
    return (
        f'"""{cfg.model.type} with a searched backbone of {arch.space}; see {CARD}.\n\n'
        f'    python tools/train.py {CONFIG}\n"""\n' + cfg.pretty_text
    )


def _card(
    folder: Path, task: DenseTask, arch: Arch, size: Size, norms: str, origin: Mapping[str, Any]
) -> str:
    genes = task.space.genes([arch])
    costs = {
        name: getattr(task, part)(genes, size)
        for name, part in (
            ('backbone', 'backbone'),
            ('neck and head', 'head'),
            ('**total**', 'total'),
        )
    }
    model = task.cfg.model
    takers = [
        part.type
        for name in TAKERS
        if model.get(name)
        for part in (model[name] if isinstance(model[name], list) else [model[name]])
    ]
    lines = [
        f'# {model.type} with a searched backbone of {arch.space}',
        '',
        '```',
        str(arch),
        '```',
        '',
        f'| at {size[0]} x {size[1]} | MACs | parameters |',
        '|---|---:|---:|',
    ]
    lines += [
        f'| {name} | {cost.macs[0] / 1e9:.3f} G | {cost.params[0] / 1e6:.2f} M |'
        for name, cost in costs.items()
    ]
    lines += [
        '',
        f'Neck and head: {", ".join(takers)}. MACs: multiply-adds, with attention.',
        '',
        '## Weights',
        '',
        norms,
        '',
        '## Where it comes from',
        '',
    ]
    lines += [f'- {key}: {value}' for key, value in origin.items()]
    lines += [
        f'- written by nasvit_mm {__version__}, torch {torch.__version__}',
        '- weights stay under the licence of the supernet they were sliced out of',
        '',
        '## Use',
        '',
        '```',
        f'python tools/train.py {folder / CONFIG}',
        f'python tools/test.py {folder / CONFIG} {folder}/train/CHECKPOINT.pth',
        '```',
        '',
        f'`{ARCH}` alone is a value of `arch=` of the backbone{_beside(task, arch)}.',
        '',
    ]
    return '\n'.join(lines)


def _beside(task: DenseTask, arch: Arch) -> str:
    """What the backbone needs besides an architecture that the whole space does not have."""
    space = get_space(arch.space)
    if arch.to_dict() in space:
        return ''
    resolution = [arch['resolution']]
    return f', with `space={dict(space=space.name, restrict=dict(resolution=resolution))}`'
