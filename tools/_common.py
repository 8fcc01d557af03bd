"""What the command lines share: arguments, reading a config, and one line for a mistake."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config, DictAction

# Before anything of mmcv and mmseg: it also serves mmcv._ext where that was not compiled.
from nasvit_mm.config import check_architectures
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.runtime import end_processes, loaders_without_workers, set_steps_per_epoch

# custom_imports of a config finds modules of the folder the command is started in.
sys.path.append(os.getcwd())


def is_first() -> bool:
    """Whether this is the only process, or the first of several."""
    return os.environ.get('RANK', '0') == '0'


def run(main: Callable[[], None]) -> None:
    """Run a command; a mistake of the user becomes one line on stderr and the exit code 2."""
    try:
        main()
        end_processes()
    except UsageError as error:
        # One line, not one of every process; what is wrong with a batch only one of them knows.
        if isinstance(error, DataError) or is_first():
            print(f'error: {_message(error)}', file=sys.stderr)
        sys.exit(2)


def _message(error: UsageError) -> str:
    """Its own: of an error in a worker of a data loader torch makes it the end of a traceback."""
    text = str(error)
    if 'DataLoader worker process' in text and 'Original Traceback' in text:
        text = re.split(rf'^[\w.]*{type(error).__name__}: ', text, flags=re.MULTILINE)[-1]
        text = ' '.join(text.strip().splitlines())
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every OpenMMLab command has."""
    parser.add_argument(
        '--work-dir', help='folder of logs and checkpoints (work_dirs/<name of the config>)'
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes; without a GPU they talk through gloo',
    )
    # torch.distributed.launch passes it; torchrun sets the variable itself.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override the config: model.backbone.arch=nasvit_min "some.list=[1,2]"',
    )


def add_shape(parser: argparse.ArgumentParser) -> None:
    """Add ``--shape``."""
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        metavar=('H', 'W'),
        help='size of the picture that the network sees, one number for a square '
        "(the config's training crop, or of a detector its test size)",
    )


def check_model(path: str, cfg: Config) -> None:
    """Check that a config is of a model.

    Raises:
        UsageError: one without, as a search's is.
    """
    if cfg.get('model') is None:
        hint = f', whose task is {cfg.task}' if isinstance(cfg.get('task'), str) else ''
        raise UsageError(f'{path} has no model{": it is of a search" + hint if hint else ""}')


def input_size(args: argparse.Namespace, cfg: Config) -> tuple[int, int]:
    """Height and width of ``--shape``, else of the config's training crop, or of a detector the
    wide picture that its test pipeline makes, padded.
    """
    shape = (
        args.shape
        or cfg.model.get('data_preprocessor', {}).get('size')
        or cfg.get('crop_size')
        or _test_size(cfg)
    )
    if shape is None:
        raise UsageError(
            'the config names no input size: give --shape H W, for example --shape 512 512'
        )
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if len(shape) not in (1, 2) or min(shape) < 32:
        raise UsageError(
            f'--shape {" ".join(map(str, shape))}: expected H W, or one number for '
            'both, of at least 32 pixels'
        )
    return shape[0], shape[-1]


def _test_size(cfg: Config) -> tuple[int, int] | None:
    divisor = cfg.model.get('data_preprocessor', {}).get('pad_size_divisor', 1)
    for step in cfg.get('test_pipeline', ()):
        if step.get('type') == 'Resize' and step.get('keep_ratio') and step.get('scale'):
            return tuple(-(-side // divisor) * divisor for side in sorted(step.scale))
    return None


def load_config(args: argparse.Namespace) -> Config:
    """Read the config that the arguments name, with their overrides."""
    if hasattr(args, 'local_rank'):
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if not Path(args.config).is_file():
        raise UsageError(f'config {args.config} does not exist{_nearby_configs(args.config)}')
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        steps = cfg.get('steps_per_epoch')
        try:
            cfg.merge_from_dict(args.cfg_options)
        except (KeyError, TypeError) as error:
            raise UsageError(f'--cfg-options does not fit {args.config}: {error}') from error
        if steps and 'steps_per_epoch' in args.cfg_options:
            set_steps_per_epoch(cfg, steps, args.cfg_options)
    loaders_without_workers(cfg)
    check_architectures(cfg)
    cfg.launcher = getattr(args, 'launcher', 'none')
    if getattr(args, 'work_dir', None) is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return cfg


def _nearby_configs(name: str) -> str:
    found = sorted(str(path) for path in Path('configs').glob('[a-z]*/*.py'))
    if found:
        return f' (from {Path.cwd()}); there are: {", ".join(found)}'
    return f' (from {Path.cwd()}); start the command in the folder that holds configs/'
