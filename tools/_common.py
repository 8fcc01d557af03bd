"""What the command lines share: arguments, and errors said once before anything is built."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper, revert_sync_batchnorm
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader, find_latest_checkpoint, load_checkpoint
from torch import nn

# Importing it also serves mmcv._ext, hence before anything of mmcv and mmseg.
from nasvit_mm.compat import check_amp, init_distributed
from nasvit_mm.engine import DataError
from nasvit_mm.registry import MODELS
from nasvit_mm.spaces import get_space

# custom_imports of a config finds modules of the folder the command is started in.
sys.path.append(os.getcwd())

# Training checkpoints hold numpy numbers in their log history.  Naming these types lets torch load
# such a file in its safe mode, where mmengine would warn at length and fall back to the unsafe one.
torch.serialization.add_safe_globals(
    [np.dtypes.Float32DType, np.dtypes.Float64DType, np.dtypes.Int64DType])


class UsageError(Exception):
    """A mistake in the command, the config's paths or the data, with its remedy; no traceback."""


def run(main: Callable[[], None]) -> None:
    """Run a command; a mistake of the user becomes one line on stderr and the exit code 2."""
    try:
        main()
    except (UsageError, DataError) as error:
        # One line, not one of every process; what is wrong with a batch only one of them knows.
        if isinstance(error, DataError) or os.environ.get('RANK', '0') == '0':
            print(f'error: {error}', file=sys.stderr)
        sys.exit(2)


# --- Arguments -------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every OpenMMLab command has."""
    parser.add_argument(
        '--work-dir', help='folder of logs and checkpoints (work_dirs/<name of the config>)')
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
        help='what started the processes; without a GPU they talk through gloo')
    # torch.distributed.launch passes it; torchrun sets the variable itself.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override the config: model.backbone.arch=nasvit_min "some.list=[1,2]"')


def add_shape(parser: argparse.ArgumentParser) -> None:
    """Add ``--shape``."""
    parser.add_argument(
        '--shape', type=int, nargs='+', metavar=('H', 'W'),
        help='size of the picture that the network sees, one number for a square '
             "(the config's training crop)")


def input_size(args: argparse.Namespace, cfg: Config) -> tuple[int, int]:
    """Height and width of ``--shape``, else of the config's training crop."""
    shape = args.shape or cfg.model.get('data_preprocessor', {}).get('size') or cfg.get('crop_size')
    if shape is None:
        raise UsageError('the config names no input size: give --shape H W, for example '
                         '--shape 512 512')
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if len(shape) not in (1, 2) or min(shape) < 32:
        raise UsageError(f'--shape {" ".join(map(str, shape))}: expected H W, or one number for '
                         'both, of at least 32 pixels')
    return shape[0], shape[-1]


def load_config(args: argparse.Namespace) -> Config:
    """Read the config that the arguments name, with their overrides."""
    if hasattr(args, 'local_rank'):
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if not Path(args.config).is_file():
        raise UsageError(f'config {args.config} does not exist{_nearby_configs(args.config)}')
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        try:
            cfg.merge_from_dict(args.cfg_options)
        except (KeyError, TypeError) as error:
            raise UsageError(f'--cfg-options does not fit {args.config}: {error}') from error
    check_architectures(cfg)
    cfg.launcher = getattr(args, 'launcher', 'none')
    if getattr(args, 'work_dir', None) is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return cfg


def _nearby_configs(name: str) -> str:
    found = sorted(str(path) for folder in ('configs/seg', 'configs/det', 'configs/demo')
                   for path in Path(folder).glob('*.py'))
    if found:
        return f' (from {Path.cwd()}); there are: {", ".join(found)}'
    return f' (from {Path.cwd()}); start the command in the folder that holds configs/'


def check_architectures(cfg: Config) -> None:
    """Check the architectures that the config names for this project's backbones."""
    for where, node in _own_modules(cfg.get('model'), 'model'):
        kind = MODELS.get(node['type'].removeprefix('nasvit_mm.'))
        if kind is None or not hasattr(kind, 'family') or node.get('arch') in (None, 'supernet'):
            continue
        try:
            space = node.get('space')
            get_space(kind.family if space is None else kind._plain(space)).arch(
                kind._plain(node['arch']))
        except (KeyError, ValueError, TypeError, OSError) as error:
            message = error.args[0] if isinstance(error, KeyError) else error
            raise UsageError(f'{where}.arch: {message}') from error


def _own_modules(node: Any, where: str) -> Iterator[tuple[str, Mapping]]:
    if isinstance(node, Mapping):
        if str(node.get('type', '')).startswith('nasvit_mm.'):
            yield where, node
        for key, value in node.items():
            yield from _own_modules(value, f'{where}.{key}')
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from _own_modules(value, f'{where}.{i}')


# --- Models ----------------------------------------------------------------------------------


def build_model(cfg: Config) -> nn.Module:
    """The config's model for one process, in evaluation mode; weights as it is initialised."""
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    cfg.model.pretrained = None  # mmseg's configs would download weights here
    try:
        with contextlib.redirect_stdout(sys.stderr):  # OneDL's mmseg prints what it did not find
            model = revert_sync_batchnorm(MMENGINE_MODELS.build(cfg.model)).eval()
    except (KeyError, ImportError) as error:
        raise UsageError(f'the model cannot be built: {_first_line(error)}') from error
    check_channels(model)
    return model


def check_channels(model: nn.Module) -> None:
    """Check that neck, or head, takes the widths that the backbone gives.

    In OpenMMLab the config says both; a mistake would show as a shape error inside a convolution.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    given = getattr(getattr(model, 'backbone', None), 'out_channels', None)
    taker = 'neck' if getattr(model, 'neck', None) is not None else 'decode_head'
    module = getattr(model, taker, None)
    taken = getattr(module, 'in_channels', None)
    if given is None or taken is None:
        return
    try:
        index = getattr(module, 'in_index', range(len(given)))
        expected = given[index] if isinstance(index, int) else [given[i] for i in index]
    except IndexError:
        expected = f'{len(given)} outputs of {list(given)} channels'
    if taken != expected and list(np.atleast_1d(taken)) != expected:
        raise UsageError(
            f'model.{taker}.in_channels = {taken}, but the backbone gives {expected}; set it '
            f'accordingly (it follows model.backbone.arch), or give the backbone out_width')


# --- Devices and processes -------------------------------------------------------------------


def enable_amp(cfg: Config) -> None:
    """Turn on mixed precision."""
    try:
        check_amp()
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    if cfg.optim_wrapper.type not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UsageError(f'--amp needs optim_wrapper.type = OptimWrapper, the config says '
                         f'{cfg.optim_wrapper.type}: leave --amp out')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def enable_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate by batch size over `auto_scale_lr.base_batch_size`."""
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise UsageError('--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in the '
                         'config: the batch size for which its learning rate is')
    cfg.auto_scale_lr.enable = True


def enable_tensorboard(cfg: Config) -> None:
    """Log for TensorBoard beside the backends of the config."""
    if find_spec('tensorboard') is None:
        raise UsageError('--tensorboard: the package is missing: pip install tensorboard')
    cfg.visualizer.vis_backends = [*cfg.visualizer.get('vis_backends', ()),
                                   dict(type='TensorboardVisBackend')]


def check_schedule(cfg: Config) -> None:
    """Check that every scheduler without an `end` begins before training ends."""
    schedulers, length = cfg.get('param_scheduler') or [], cfg.get('train_cfg', {}).get('max_iters')
    for i, scheduler in enumerate(schedulers if isinstance(schedulers, list) else []):
        if length and not scheduler.get('end') and scheduler.get('begin', 0) >= length:
            raise UsageError(
                f'train_cfg.max_iters = {length}, but param_scheduler.{i} ({scheduler.type}) only '
                f'begins at {scheduler.begin}, after the warm-up. For so short a run give: '
                f'--cfg-options param_scheduler.0.end=1 param_scheduler.{i}.begin=1')


def start_processes(cfg: Config) -> None:
    """Start the process group as the launcher says, and fit the config to gloo on a CPU."""
    backend = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('backend')
    try:
        init_distributed(cfg.launcher, backend)
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    if cfg.launcher == 'none' or get_device() not in ('cpu', 'mps'):
        return
    # mmengine's default wrapper hands a CPU model device_ids, which torch refuses.
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None)
    changed = sum(_plain_batch_norm(part) for part in _foreign_norms(cfg.model))
    if changed:
        print_log('no GPU: batch norms outside the backbone keep statistics of their own process, '
                  "for torch's SyncBatchNorm runs on GPUs only", logger='current')


def _foreign_norms(node: Any) -> Iterator[Any]:
    """Every norm_cfg of modules that are not this project's, whose own norms do run on a CPU."""
    if isinstance(node, Mapping):
        if str(node.get('type', '')).startswith('nasvit_mm.'):
            return
        for key, value in node.items():
            if key == 'norm_cfg' and isinstance(value, Mapping):
                yield value
            else:
                yield from _foreign_norms(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _foreign_norms(value)


def _plain_batch_norm(norm_cfg: Any) -> bool:
    if norm_cfg.get('type') != 'SyncBN':
        return False
    norm_cfg['type'] = 'BN'
    return True


# --- Data ------------------------------------------------------------------------------------


def check_data(cfg: Config, *splits: str) -> None:
    """Check that the folders and lists of the data sets exist and are not empty.

    Raises:
        UsageError: names the first path that is missing, the dataloader and the remedy.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    for split in splits:
        key = f'{split}_dataloader'
        if cfg.get(key) is None:
            continue
        for where, dataset in _datasets(cfg[key].get('dataset'), f'{key}.dataset'):
            _check_dataset(where, dataset)


def _datasets(dataset: Any, where: str) -> Iterator[tuple[str, Mapping]]:
    """A data set and those inside its wrappers (RepeatDataset, ConcatDataset)."""
    if not isinstance(dataset, Mapping):
        return
    yield where, dataset
    yield from _datasets(dataset.get('dataset'), f'{where}.dataset')
    for i, inner in enumerate(dataset.get('datasets') or ()):
        yield from _datasets(inner, f'{where}.datasets.{i}')


def _check_dataset(where: str, dataset: Mapping) -> None:
    root = dataset.get('data_root') or ''
    if dataset.get('backend_args') or '://' in root:
        return  # not on this machine's disk
    if root and not Path(root).is_dir():
        raise UsageError(
            f'the data set folder {_shown(root)} does not exist ({where}.data_root, '
            f'{dataset.get("type")}). {_remedy(where, root)}')
    prefixes = dataset.get('data_prefix') or {}
    paths = [(f'data_prefix.{name}', value) for name, value in prefixes.items()]
    paths.append(('ann_file', dataset.get('ann_file')))
    for name, value in paths:
        if not isinstance(value, str) or not value:
            continue
        path = Path(root, value)
        if not path.exists():
            raise UsageError(f'{_shown(path)} does not exist ({where}.{name}), though {root} '
                             f'does: another layout than {dataset.get("type")} reads. '
                             f'{_remedy(where, root)}')
        if path.is_dir() and not any(path.iterdir()):
            raise UsageError(f'{_shown(path)} is empty ({where}.{name}). {_remedy(where, root)}')
        if name == 'data_prefix.img_path':
            _check_suffix(where, path, dataset)


def _check_suffix(where: str, folder: Path, dataset: Mapping) -> None:
    """mmseg's data sets take the files with a suffix; none at all fails late and obscurely."""
    with contextlib.redirect_stdout(sys.stderr), \
            MMENGINE_DATASETS.switch_scope_and_registry(None) as registry:
        kind = registry.get(dataset.get('type'))
    parameter = inspect.signature(kind).parameters.get('img_suffix') if kind else None
    suffix = dataset.get('img_suffix', parameter and parameter.default)
    if isinstance(suffix, str) and not dataset.get('ann_file') and not any(
            folder.rglob(f'*{suffix}')):
        there = sorted({path.suffix for path in folder.rglob('*.*')})
        raise UsageError(
            f'no file in {_shown(folder)} ends in {suffix!r}, as the pictures of '
            f'{dataset.get("type")} do (there are: {", ".join(there[:5]) or "none"}). Give another '
            f'ending: --cfg-options {where}.img_suffix=.png, or another folder')


def _shown(path: str | Path) -> str:
    """The path, and where it leads from here."""
    full = Path(path).expanduser().absolute()
    return str(path) if str(full) == str(path) else f'{path} (= {full})'


def _remedy(where: str, root: str) -> str:
    return (f'Put the data set there, link it (ln -s /its/real/place {root}), or name its place: '
            f'--cfg-options {where}.data_root=/its/real/place. To try all without data: make demo')


# --- Checkpoints -----------------------------------------------------------------------------


def latest_checkpoint(work_dir: str) -> str | None:
    """The newest checkpoint of a work dir, None where there is none.

    mmengine's own pointer is lost where the process was killed while it was written.
    """
    pointed = find_latest_checkpoint(work_dir)
    if pointed and Path(pointed).is_file():
        return pointed
    found = [path for path in Path(work_dir).glob('*.pth')
             if re.fullmatch(r'(iter|epoch)_\d+', path.stem)]
    return str(max(found, key=lambda path: int(path.stem.split('_')[1]))) if found else None


def check_checkpoint_exists(path: str) -> None:
    """Check a local path; URLs and mmengine's schemes pass."""
    if '://' not in path and not Path(path).is_file():
        folder = Path(path).parent
        there = sorted(p.name for p in folder.glob('*.pth')) if folder.is_dir() else []
        raise UsageError(f'checkpoint {_shown(path)} does not exist; '
                         + (f'there are: {", ".join(there)}' if there else
                            f'{folder} holds no *.pth; tools/train.py writes them to its work dir'))


def check_checkpoint_fits(model: nn.Module, path: str, cfg: Config) -> None:
    """Check that a checkpoint holds exactly the model's entries.

    mmengine only warns of a mismatch and goes on with random weights.

    Raises:
        UsageError: says what differs, and which backbone the file was trained with if it tells.
    """
    try:
        content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except Exception as error:  # whatever the unpickler meets in a file that is something else
        raise UsageError(f'{path} cannot be read as a checkpoint '
                         f'({type(error).__name__}: {_first_line(error)})') from error
    state = content.get('state_dict', content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not any(torch.is_tensor(v) for v in state.values()):
        raise UsageError(f'{path} holds no weights; expected a checkpoint of tools/train.py')
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    wanted = model.state_dict()
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    missing = [k for k in wanted if k not in state and not k.endswith('num_batches_tracked')]
    extra = [k for k in state if k not in wanted and not k.endswith('num_batches_tracked')]
    shapes = [f'{k} is {_shape(state[k])} in the file, {_shape(v)} in the model'
              for k, v in wanted.items() if k in state and state[k].shape != v.shape]
    if not (missing or extra or shapes):
        return
    problems = [f'{len(found)} {what}, the first: {"; ".join(found[:2])}'
                for found, what in ((shapes, 'entries have another shape'),
                                    (missing, 'of the model are missing in the file'),
                                    (extra, 'of the file are unknown to the model')) if found]
    backbone = cfg.model.get('backbone') or cfg.model.get('module', {}).get('backbone')
    raise UsageError(
        f'checkpoint {path} does not fit the model of the config, of {len(wanted)} entries: '
        f'{"; ".join(problems)}. The config expects {_describe(backbone)}'
        f'{_trained_with(content)}. Give the config it was trained with (the copy beside the '
        'checkpoint), or another checkpoint')


def load_weights(model: nn.Module, path: str, cfg: Config) -> None:
    """Load a checkpoint that must fit."""
    check_checkpoint_fits(model, path, cfg)
    load_checkpoint(model, path, map_location='cpu', strict=False, logger='silent')


def _trained_with(content: Mapping) -> str:
    text = (content.get('meta') or {}).get('cfg')
    try:
        model = Config.fromstring(text, '.py').model
        return f', the file was trained with {_describe(model.backbone)}'
    except Exception:  # an optional hint, out of a file of anybody's
        return ''


def _describe(backbone: Any) -> str:
    if not isinstance(backbone, Mapping):
        return 'another model'
    arch = backbone.get('arch', backbone.get('depth', ''))
    return f'{backbone.get("type")} {arch!r}' if arch != '' else str(backbone.get('type'))


def _shape(value: Any) -> str:
    return 'x'.join(map(str, value.shape)) or 'a number'


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), '')[:120]
