"""Resuming a run: from which checkpoint, what differs from it, by which schedule."""

from __future__ import annotations

import copy
import logging
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim.scheduler.param_scheduler import INF
from mmengine.runner import runner as runner_module

from nasvit_mm.checkpoints import Checkpoint, find_damage
from nasvit_mm.config import plain_types, readable_parts
from nasvit_mm.errors import UsageError, shown_value
from nasvit_mm.runtime.schedule import run_length

COMPARED = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'launcher')
# What changes neither batches nor steps.
NEUTRAL = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'val_interval')
# What a checkpoint's optimizer and schedulers bring with them, whatever the config says.
CARRIED = ('optim_wrapper.optimizer', 'optim_wrapper.paramwise_cfg', 'param_scheduler')
PROCESSES = 'processes'  # entry of a checkpoint's meta: how many wrote it
WARM_UPS = ('start_factor', 'factor')  # what the state of a scheduler has that ends before the rest
MOST = 20  # lines of the table
WIDTH = 60  # of a value


class Difference(NamedTuple):
    """What a config and a checkpoint say otherwise: dotted key, then, now; None: nothing."""

    key: str
    then: Any
    now: Any


def latest_checkpoint(work_dir: str | Path) -> str | None:
    """Return the newest checkpoint of a work dir that is whole, None if there is none.

    The newest is the one that mmengine's pointer names, else the one that is farthest.  A process
    killed while it writes may leave that pointer empty, and a disk may damage a checkpoint: what is
    passed over is said.  The pointer holds a whole path, which in a copied folder is of the first
    one: only its file's name counts.
    """
    for path in _newest_first(Path(work_dir)):
        damage = find_damage(path) if zipfile.is_zipfile(path) else 'it was not written to its end'
        if not damage:
            return str(path)
        print_log(f'passed over: {path} ({damage})', 'current', logging.WARNING)
    return None


def checkpoint_to_resume(work_dir: str | Path) -> str | None:
    """Return the newest whole checkpoint of a work dir, None if it has none yet, which is said.

    Raises:
        UsageError: there are some, and none is whole: a fresh start would write over them.
    """
    newest, there = latest_checkpoint(work_dir), _newest_first(Path(work_dir))
    if newest is None and there:
        raise UsageError(
            f'no checkpoint in {work_dir} is whole ({", ".join(path.name for path in there)}): '
            'give a copy that is by --resume FILE, or begin anew without --resume'
        )
    if newest is None:
        print_log(f'{work_dir} has no checkpoint yet: a fresh start', 'current')
    return newest


def _newest_first(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, newest first; those of an earlier, longer one last."""
    numbered = [
        (int(found[2]), path)
        for path in folder.glob('*.pth')
        if (found := re.fullmatch(r'(iter|epoch)_(\d+)', path.stem))
    ]
    paths = [path for _, path in sorted(numbered, reverse=True)]
    pointer = folder / 'last_checkpoint'
    name = Path(pointer.read_text(errors='replace').strip()).name if pointer.is_file() else ''
    newest = folder / name
    if not name or not newest.is_file():
        return paths
    if newest not in paths:  # of another name than mmengine's own
        return [newest, *paths]
    place = paths.index(newest)
    return paths[place:] + paths[:place]


@contextmanager
def handed_over(path: str, checkpoint: Checkpoint) -> Iterator[None]:
    """Give a runner that loads ``path`` what was read of it before: it is read once.

    The content is forgotten when it has been asked for, so that a training does not hold it.
    """
    waiting = [checkpoint.content]
    load = runner_module._load_checkpoint

    def hand(name: str, *args: Any, **kwargs: Any) -> Any:
        return waiting.pop() if waiting and name == path else load(name, *args, **kwargs)

    with mock.patch.object(runner_module, '_load_checkpoint', hand):
        yield


# ---------------------------------------------------------------------- what differs
def check_resumed(
    cfg: Config, path: str, checkpoint: Checkpoint, fit: bool = False
) -> list[Difference]:
    """Check that a training can resume from a checkpoint, and return what differs.

    Args:
        cfg: of now.
        path: of the file.
        checkpoint: what it holds.
        fit: whether the schedule is fitted to the length of now.

    Raises:
        UsageError: the file is not of a training, lacks what a training resumes with, is of one
            with another optimizer, of another length, whose schedule would end where that one
            ended, or farther than the training goes.
    """
    meta, begin = checkpoint.meta, f'begin with its weights by --cfg-options load_from={path}'
    for key in ('iter', 'epoch'):
        if not isinstance(meta.get(key), int):
            raise UsageError(
                f'{path} does not say how far its training was (meta.{key} = '
                f'{shown_value(meta.get(key))}): it cannot be resumed; {begin}'
            )
    for key, kind in _needed(cfg).items():
        if not isinstance(checkpoint.content.get(key), kind):
            raise UsageError(
                f'{path} has no {key}, as the file of the best metric has none: it cannot be '
                f'resumed; resume from iter_N.pth or epoch_N.pth of its folder, or {begin}'
            )
    now = run_length(cfg)
    if now:
        _check_something_is_left(path, meta, *now)
    then, whole = _config_then(path, meta)
    found = list(_differences(then, cfg, whole))
    for key, old, new in found:
        if key == 'optim_wrapper.optimizer.type':
            raise UsageError(
                f'{key} = {new}, but {path} has the state of {old}: it cannot be resumed; keep '
                f'{old}, or {begin}'
            )
    if not now or fit or not cfg.get('param_scheduler'):
        return found
    before = run_length(then) or _carried_length(checkpoint.content, now[0])
    if before and before != now:
        raise UsageError(
            f'train_cfg.{now[0]} = {now[1]}, but {path} is of a training with {before[0]} = '
            f'{before[1]}, whose schedule it resumes: give --fit-schedule (fit_schedule=True), '
            f'which goes on by one of the new length, or --cfg-options '
            f'train_cfg.{before[0]}={before[1]}'
        )
    return found


def _check_something_is_left(path: str, meta: Mapping[str, Any], key: str, length: int) -> None:
    counted, done = ('iterations', 'iter') if key == 'max_iters' else ('epochs', 'epoch')
    done = meta[done]
    if done > length:
        raise UsageError(
            f'train_cfg.{key} = {length}, but {path} has done {done} {counted}: nothing is left to '
            f'train; give more than {done}, or resume from an earlier checkpoint'
        )
    if done == length:
        print_log(
            f'{path} is at {done} of {length} {counted}: nothing is left to train; for more give '
            f'--cfg-options train_cfg.{key}=N --fit-schedule',
            'current',
            logging.WARNING,
        )


def _config_then(path: str, meta: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return what can be read of a checkpoint's config, and whether it is all; if not, say so."""
    try:
        given = meta.get('cfg')
        if not isinstance(given, str):
            raise UsageError('it holds none')
        then, unread = readable_parts(given)
    except UsageError as error:
        then, unread = {}, [str(error)]
    if unread:
        print_log(
            f'{path}: its config is not compared with that of now, or not all of it: {unread[0]}',
            'current',
            logging.WARNING,
        )
    return then, not unread


def _carried_length(content: Mapping[str, Any], key: str) -> tuple[str, int] | None:
    """Return where the schedulers that a checkpoint carries end, in what a training counts.

    Args:
        key: ``'max_iters'`` or ``'max_epochs'``.
    """
    given = content.get('param_schedulers') or ()
    lists = given.values() if isinstance(given, Mapping) else [given]
    ends = [
        state['end']
        for states in lists
        for state in states
        if isinstance(state, Mapping)
        and bool(state.get('by_epoch', True)) == (key == 'max_epochs')
        and isinstance(state.get('end'), int)
        and not any(name in state for name in WARM_UPS)
    ]
    return (key, max(ends)) if ends and max(ends) < INF else None


def _needed(cfg: Config) -> dict[str, Any]:
    """Return the entries that a checkpoint to resume from has, and their types."""
    needed = {'optimizer': Mapping, 'message_hub': Mapping}
    if cfg.get('param_scheduler'):
        needed['param_schedulers'] = (list, tuple, Mapping)
    return needed


def differing_processes(meta: Mapping[str, Any]) -> list[Difference]:
    """Return how the number of processes differs from a checkpoint's, where it tells."""
    then, now = meta.get(PROCESSES), get_world_size()
    return [Difference('processes', then, now)] if then not in (None, now) else []


def _differences(then: Mapping[str, Any], now: Config, whole: bool) -> Iterator[Difference]:
    for key in COMPARED if whole else [key for key in COMPARED if key in then]:
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
