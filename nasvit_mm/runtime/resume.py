"""Resuming a run: from which checkpoint, what differs from it, by which schedule."""

from __future__ import annotations

import copy
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint

from nasvit_mm.checkpoints import read_checkpoint
from nasvit_mm.config import parsed_config, plain_types
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime.schedule import run_length

COMPARED = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'launcher')
# What changes neither batches nor steps.
NEUTRAL = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'val_interval')
# What a checkpoint's optimizer and schedulers bring with them, whatever the config says.
CARRIED = ('optim_wrapper.optimizer', 'optim_wrapper.paramwise_cfg', 'param_scheduler')
MOST = 20  # lines of the table
WIDTH = 60  # of a value


class Difference(NamedTuple):
    """What a config and a checkpoint say otherwise: dotted key, then, now; None: nothing."""

    key: str
    then: Any
    now: Any


def latest_checkpoint(work_dir: str) -> str | None:
    """Return the newest checkpoint of a work dir, None if there is none.

    A process killed while it writes leaves mmengine's own pointer empty, or a checkpoint truncated:
    such files are passed over.  The pointer holds a whole path, which in a copied folder is of the
    first one: only its file's name counts.
    """
    folder = Path(work_dir)
    pointed = find_latest_checkpoint(work_dir)
    if pointed and (folder / Path(pointed).name).is_file():
        return str(folder / Path(pointed).name)
    found = [
        path
        for path in folder.glob('*.pth')
        if re.fullmatch(r'(iter|epoch)_\d+', path.stem) and zipfile.is_zipfile(path)
    ]
    return str(max(found, key=lambda path: int(path.stem.split('_')[1]))) if found else None


# ---------------------------------------------------------------------- what differs
def check_resumed(cfg: Config, path: str, fit: bool = False) -> list[Difference]:
    """Check that a training can resume from a checkpoint, and return what differs.

    Args:
        cfg: of now.
        path: the checkpoint.
        fit: whether the schedule is fitted to the length of now.

    Raises:
        UsageError: the file is not of a training, of one with another optimizer, or of another
            length, whose schedule would end where that one ended.
    """
    meta = read_checkpoint(path).meta
    for key in ('iter', 'epoch'):
        if not isinstance(meta.get(key), int):
            raise UsageError(
                f'{path} does not say how far its training was (meta.{key} = {meta.get(key)!r}): '
                f'it cannot be resumed; begin with its weights by --cfg-options load_from={path}'
            )
    if not isinstance(meta.get('cfg'), str):
        return []
    try:
        then = parsed_config(meta['cfg'])
    except UsageError:  # classes in it, or of another program
        return []
    found = list(_differences(then, cfg))
    for key, old, new in found:
        if key == 'optim_wrapper.optimizer.type':
            raise UsageError(
                f'{key} = {new}, but {path} has the state of {old}: it cannot be resumed; keep '
                f'{old}, or begin with its weights by --cfg-options load_from={path}'
            )
    before, now = run_length(then), run_length(cfg)
    if before and now and before != now and cfg.get('param_scheduler') and not fit:
        raise UsageError(
            f'train_cfg.{now[0]} = {now[1]}, but {path} is of a training with {before[0]} = '
            f'{before[1]}, whose schedule it resumes: give --fit-schedule (fit_schedule=True), '
            f'which goes on by one of the new length, or {before[0]}={before[1]}'
        )
    return found


def _differences(then: Config, now: Config) -> Iterator[Difference]:
    for key in COMPARED:
        yield from _inside(key, plain_types(then.get(key)), plain_types(now.get(key)))


def _inside(key: str, then: Any, now: Any) -> Iterator[Difference]:
    if then == now or key.rpartition('.')[2] in NEUTRAL:
        return
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in {**then, **now}:
            yield from _inside(f'{key}.{name}', then.get(name), now.get(name))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for i, (one, other) in enumerate(zip(then, now)):
            yield from _inside(f'{key}.{i}', one, other)
    else:
        yield Difference(key, then, now)


def differences_table(found: list[Difference], path: str, fit: bool = False) -> str:
    """Return a table of what differs, and which of the two counts."""
    rows = [('key', 'checkpoint', 'now', 'what counts')]
    for key, then, now in found[:MOST]:
        kept = key.startswith(CARRIED) and not (fit and key.startswith('param_scheduler'))
        rows.append((key, _short(then), _short(now), "the checkpoint's" if kept else 'that of now'))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    more = [f'and {len(found) - MOST} more'] if len(found) > MOST else []
    return '\n'.join([f'{path} was trained otherwise:', *map(str.rstrip, lines), *more])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= WIDTH else f'{text[: WIDTH - 3]}...'


# ---------------------------------------------------------------------- another schedule
class RefitSchedule(Hook):
    """Replaces the schedule that a checkpoint carries by that of the config, where it stands.

    Args:
        schedulers: the config's.
    """

    priority = 'VERY_HIGH'

    def __init__(self, schedulers: Any) -> None:
        self.schedulers = schedulers

    def before_train(self, runner: Any) -> None:
        """Build the schedule anew, and step it to the iteration that the run resumes at."""
        for group in runner.optim_wrapper.param_groups:
            for key in [k for k in group if k.startswith('initial_')]:
                group[key.removeprefix('initial_')] = group[key]
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that steps come before the optimizer's
            built = runner.build_param_scheduler(copy.deepcopy(self.schedulers))
            steps = runner.iter // runner.epoch if runner.epoch else 0
            for i in range(1, runner.iter + 1):
                for scheduler in built:
                    if not scheduler.by_epoch or (steps and i % steps == 0):
                        scheduler.step()
        runner.param_schedulers = built
