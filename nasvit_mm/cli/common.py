"""What the commands share: arguments, reading a config, and one line for a mistake."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction

import nasvit_mm.compat  # noqa: F401 (before mmcv and mmseg: serves mmcv._ext)
from nasvit_mm.config import parsed_value
from nasvit_mm.errors import DEBUG, DataError, UsageError, debugging, printable, shown_path
from nasvit_mm.runtime import (
    check_folder,
    end_processes,
    end_with_starter,
    hide_debug_prints,
    is_first,
    read_config,
)

LARGEST_SIDE = 65536  # of an image
RESUMABLE = ('train', 'search')
CHAINS = ('auto', 'demo')  # which skip what is done


def run(main: Callable[[], int | None]) -> None:
    """Run a command; a mistake of the user becomes one line on stderr and the exit code 2.

    With ``--debug``, or NASVIT_MM_DEBUG=1, its traceback is printed before that line.
    """
    end_with_starter()
    hide_debug_prints()
    try:
        code = main()
        end_processes()
    except KeyboardInterrupt:
        if is_first():
            print(f'interrupted{_how_to_resume()}', file=sys.stderr)
        sys.exit(130)
    except UsageError as error:
        if debugging():
            traceback.print_exc()
        # One line, not one of every process; what is wrong with a batch only one of them knows.
        if isinstance(error, DataError) or is_first():
            print(f'error: {_message(error)}', file=sys.stderr)
        sys.exit(2)
    if code:
        sys.exit(code)


def _how_to_resume() -> str:
    if any(name in sys.argv[0] for name in RESUMABLE):
        return ': the same command with --resume goes on from what was saved last'
    if sys.argv[0].removesuffix('.py').endswith(CHAINS):
        return ': the same command again goes on from what is done'
    return ''


def _message(error: UsageError) -> str:
    """Return its own text: in a worker of a data loader torch makes it the end of a traceback."""
    text = str(error)
    if 'DataLoader worker process' in text and 'Original Traceback' in text:
        text = re.split(rf'^[\w.]*{type(error).__name__}: ', text, flags=re.MULTILINE)[-1]
        text = ' '.join(text.strip().splitlines())
    return printable(text)


def parse(
    doc: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    argv: Sequence[str] | None = None,
) -> argparse.Namespace:
    """Parse the arguments of a command.

    Args:
        doc: the docstring of its module, which ``--help`` prints.
        add_arguments: its own.
        argv: arguments; None: of the command line.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument(
        '--debug', action='store_true', help='show the traceback of a mistake (NASVIT_MM_DEBUG=1)'
    )
    args = parser.parse_args(argv)
    if args.debug:
        os.environ[DEBUG] = '1'
    return args


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
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


class Overrides(DictAction):
    """KEY=VALUE pairs as mmengine reads them, and values with dicts in them as Python does."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        given = dict(getattr(namespace, self.dest, None) or {})
        for pair in values:
            key, equals, text = pair.partition('=')
            if not equals or not key.strip('.'):
                raise UsageError(f'--cfg-options {pair}: expected KEY=VALUE')
            try:
                dicts = '{' in text or 'dict(' in text
                _check_brackets(text)
                given[key] = parsed_value(text) if dicts else self._parse_iterable(text)
            except (ValueError, AssertionError) as error:  # ours too
                raise UsageError(f'--cfg-options {pair}: {error}') from error
        setattr(namespace, self.dest, given)


def _check_brackets(text: str) -> None:
    for left, right in ('()', '[]', '{}'):
        if text.count(left) != text.count(right):
            raise UsageError(f'{left} and {right} do not match')


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override the config: model.backbone.arch=nasvit_min "some.list=[1,2]"',
    )


def add_shape(parser: argparse.ArgumentParser) -> None:
    """Add ``--shape``."""
    parser.add_argument(
        '--shape',
        type=_side,
        nargs='+',
        metavar=('H', 'W'),
        help='size of the image that the network sees, one number for a square '
        "(the config's training crop, or of a detector its test size)",
    )


def _side(text: str) -> int:
    if text.isdigit() and 0 < int(text) <= LARGEST_SIDE:
        return int(text)
    raise argparse.ArgumentTypeError(
        f'{text!r}: expected one or two numbers of pixels, 1 to {LARGEST_SIDE}, as in '
        '--shape 512 1024'
    )


def check_device(name: str | None) -> None:
    """Check the name of a device.

    Raises:
        UsageError: torch knows no such device, or sees none here.
    """
    if name is None:
        return
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f'--device {name}: expected cpu, cuda or cuda:N') from error
    if device.type not in ('cpu', 'cuda'):
        raise UsageError(f'--device {name}: expected cpu, cuda or cuda:N')
    there = torch.cuda.device_count()
    if device.type == 'cuda' and (device.index or 0) >= there:
        raise UsageError(f'--device {name}: torch sees {there or "no"} GPU{"s"[: there > 1]} here')


def load_config(args: argparse.Namespace) -> Config:
    """Read the config that the arguments name, with their overrides."""
    if hasattr(args, 'local_rank'):
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    # custom_imports of a config finds modules of the folder the command is started in.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    launcher = getattr(args, 'launcher', 'none')
    fit, work_dir = getattr(args, 'fit_schedule', False), getattr(args, 'work_dir', None)
    return read_config(args.config, args.cfg_options, work_dir, launcher, fit)


def check_writable(path: str, option: str) -> None:
    """Check that a file can be written, before minutes of measuring.

    Raises:
        UsageError: it cannot; names the option.
    """
    if Path(path).is_dir():
        raise UsageError(f'{option} {shown_path(path)} is a folder, expected a file')
    check_folder(Path(path).parent, option)
