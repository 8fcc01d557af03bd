"""Whether a schedule fits the length of training, and fitting it."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from mmengine.config import Config

from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.runtime.moments import check_moments, scale_moments

WARM_UPS = ('Linear', 'Constant')  # what a scheduler's type begins with that ends before the rest
BOUNDS = ('begin', 'end')
PERIODS = ('T_max', 'total_steps', 'step_size', 'milestones', 'periods', 'restarts')
LENGTHS = ('max_iters', 'max_epochs')
SHARE = 10  # a warm-up without anything to measure it by is at most 1 / SHARE of a run
SHORTEST = 2  # steps of a linear warm-up: the first has the start factor, the last the whole rate
REMEDY = 'give --fit-schedule (fit_schedule=True), which scales the schedule to the run'


def set_steps_per_epoch(cfg: Config, old: int, given: Collection[str] = ()) -> None:
    """Adapt a schedule computed with other steps per epoch to ``cfg.steps_per_epoch``.

    A config file is executed before its values are overridden, so what it computed has to be
    computed again.

    Args:
        cfg: the config, changed in place.
        old: steps per epoch that the schedule was computed with.
        given: dotted keys whose values must not change.

    Raises:
        UsageError: ``steps_per_epoch`` is not a positive integer.
    """
    new = cfg.steps_per_epoch
    if not isinstance(new, int) or new < 1:
        raise UsageError(f'steps_per_epoch = {new!r}: expected a positive number of steps')
    schedulers = cfg.get('param_scheduler') or []
    schedulers = schedulers if isinstance(schedulers, list) else [schedulers]
    places = [
        (f'param_scheduler.{i}', scheduler, ('begin', 'end'))
        for i, scheduler in enumerate(schedulers)
        if not scheduler.get('by_epoch', True)
    ]
    if 'max_iters' in cfg.get('train_cfg', {}):
        places.append(('train_cfg', cfg.train_cfg, ('max_iters', 'val_interval')))
    for place, node, keys in places:
        for key in keys:
            own = {place.partition('.')[0], place, f'{place}.{key}'} & set(given)
            if node.get(key) and not own and node[key] % old == 0:
                node[key] = node[key] // old * new


# ---------------------------------------------------------------------- length
def run_length(cfg: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return what a training counts, ``'max_iters'`` or ``'max_epochs'``, and how many of them.

    Raises:
        UsageError: the number is no positive integer.
    """
    train = cfg.get('train_cfg') or {}
    for key in LENGTHS:
        if train.get(key) is not None:
            return key, check_number(f'train_cfg.{key}', train[key], low=1, whole=True)
    return None


def _lengths(cfg: Config, epoch_length: int | None) -> dict[bool, int]:
    """Return the length of training by ``by_epoch``: False in iterations, True in epochs."""
    found = run_length(cfg)
    if found is None:
        return {}
    key, length = found
    if key == 'max_iters':
        return {False: length}
    return {True: length, **({False: length * epoch_length} if epoch_length else {})}


def _schedulers(cfg: Config) -> Iterator[tuple[str, list[Any]]]:
    """Yield the dotted key of every list of schedulers: of several optimizers there are several."""
    given = cfg.get('param_scheduler')
    if isinstance(given, Mapping) and 'type' not in given:
        for name, some in given.items():
            yield f'param_scheduler.{name}', some if isinstance(some, list) else [some]
    elif given:
        yield 'param_scheduler', given if isinstance(given, list) else [given]


def _by_epoch(scheduler: Mapping[str, Any]) -> bool:
    return bool(scheduler.get('by_epoch', True))


def _is_warm_up(scheduler: Mapping[str, Any]) -> bool:
    return str(scheduler.get('type')).rpartition('.')[2].startswith(WARM_UPS)


# ---------------------------------------------------------------------- checking
def check_schedule(cfg: Config, epoch_length: int | None = None) -> None:
    """Check that every scheduler begins and ends within training, and the last one with it; and
    that what hooks wait for, such as the switch to a last pipeline, comes.

    Args:
        epoch_length: iterations of an epoch; None: unknown, what counts iterations in a training
            by epochs is not looked at.

    Raises:
        UsageError: names the scheduler or hook, its value and the length, and the remedy.
    """
    lengths = _lengths(cfg, epoch_length)
    check_moments(cfg, lengths, REMEDY)
    for key, schedulers in _schedulers(cfg):
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, Mapping):
                raise UsageError(f'{key}.{i} = {scheduler!r}, expected dict(type=NAME, ...)')
            for name in BOUNDS:
                if scheduler.get(name) is not None:
                    check_number(f'{key}.{i}.{name}', scheduler[name], low=0)
            problem = _problem(scheduler, lengths)
            if problem:
                where = f'{key}.{i}' if isinstance(cfg.param_scheduler, list) else key
                counted = 'epochs' if _by_epoch(scheduler) else 'iterations'
                length = lengths.get(_by_epoch(scheduler))
                run = f', but the run is of {length} {counted}' if length else ''
                raise UsageError(f'{where} ({scheduler.get("type")}) {problem}{run}: {REMEDY}')


def _problem(scheduler: Mapping[str, Any], lengths: Mapping[bool, int]) -> str:
    by_epoch, begin, end = _by_epoch(scheduler), scheduler.get('begin', 0), scheduler.get('end')
    if by_epoch and lengths and True not in lengths and not scheduler.get('convert_to_iter_based'):
        return 'counts epochs, which a training by max_iters has none of'
    if _never_rises(scheduler):
        return f'ends at {end}, before it has left its start_factor {scheduler["start_factor"]}'
    length = lengths.get(by_epoch)
    if length is None:
        return ''
    if begin >= length:
        return f'only begins at {begin}'
    if end is not None and end > length:
        return f'ends at {end}'
    late = [m for m in scheduler.get('milestones', ()) if m >= length]
    if late:
        return f'has a milestone at {late[0]}'
    if end is not None and end < length and not _is_warm_up(scheduler):
        return f'ends at {end} already'
    return ''


def _never_rises(scheduler: Mapping[str, Any]) -> bool:
    """Return whether a linear warm-up has so few steps that the rate stays where it begins."""
    begin, end = scheduler.get('begin', 0), scheduler.get('end')
    return (
        str(scheduler.get('type')).startswith('Linear')
        and end is not None
        and end - begin < SHORTEST
        and not scheduler.get('convert_to_iter_based')
        and scheduler.get('start_factor', 1 / 3) != scheduler.get('end_factor', 1.0)
    )


def check_epochs(runner: Any, fit: bool = False) -> None:
    """Check a schedule that counts iterations in a training by epochs, whose length is known now.

    Args:
        runner: mmengine's, before its ``train``.
        fit: fit it instead.

    Raises:
        UsageError: as of :func:`check_schedule`.
    """
    found, cfg = run_length(runner.cfg), runner.cfg
    if not found or found[0] != 'max_epochs' or not cfg.get('param_scheduler'):
        return
    epoch_length = len(runner.train_dataloader)
    if fit:
        before = copy.deepcopy(cfg.param_scheduler)
        fit_schedule(cfg, epoch_length=epoch_length)
        runner.param_schedulers = cfg.param_scheduler
        if cfg.param_scheduler != before:
            runner.dump_config()
    check_schedule(cfg, epoch_length)


# ---------------------------------------------------------------------- fitting
def fit_schedule(
    cfg: Config,
    before: tuple[str, int] | None = None,
    epoch_length: int | None = None,
    given: Collection[str] = (),
) -> None:
    """Scale all schedulers, and what hooks wait for, to the length of training, in the config.

    Begins, ends and milestones keep their share of the run, warm-ups as well; a linear warm-up has
    two steps at least, and none where the run is too short for it.

    Args:
        before: what :func:`run_length` was where the schedule was written, for schedulers that name
            no end; None: unknown, a warm-up is then at most a tenth of the run.
        epoch_length: as of :func:`check_schedule`.
        given: dotted keys of options of hooks that stay as they are.
    """
    lengths, now = _lengths(cfg, epoch_length), run_length(cfg)
    written = _written_length(cfg, before, now)
    if written and now and written != now[1]:
        scale_moments(cfg, now[1] / written, lengths, given)
    for key, schedulers in _schedulers(cfg):
        for by_epoch, length in lengths.items():
            some = [s for s in schedulers if isinstance(s, Mapping) and _by_epoch(s) == by_epoch]
            written = None
            if before and now and before[0] == now[0] and by_epoch == (now[0] == 'max_epochs'):
                written = before[1]
            _fit(some, length, written)
        kept = [s for s in schedulers if not (isinstance(s, Mapping) and s.pop('_gone_', False))]
        if len(kept) < len(schedulers):
            _set(cfg, key, kept)


def _written_length(
    cfg: Config, before: tuple[str, int] | None, now: tuple[str, int] | None
) -> int | None:
    """Return the length, in what the run counts, that a config was written for; None: unknown."""
    if before and now and before[0] == now[0] and before[1] != now[1]:
        return before[1]
    by_epoch = bool(now and now[0] == 'max_epochs')
    some = [s for _, group in _schedulers(cfg) for s in group if isinstance(s, Mapping)]
    return max(_ends(s for s in some if _by_epoch(s) == by_epoch), default=None)


def _ends(schedulers: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the ends of the schedulers that last until the end of the run."""
    return [s['end'] for s in schedulers if s.get('end') is not None and not _is_warm_up(s)]


def _fit(schedulers: list[Any], length: int, written: int | None) -> None:
    ends = _ends(schedulers)
    bounds = [s[name] for s in schedulers for name in BOUNDS if s.get(name)]
    old = max(ends, default=written)
    if old is None:  # nothing says how long the run was meant to be
        last = max(bounds, default=0)
        if last <= length / SHARE:
            return
        old = last * SHARE
    if old == length:
        _fit_late_milestones(schedulers, length, written)
        return
    moved = {bound: min(length, max(1, round(bound * length / old))) for bound in bounds}
    for warm_up in filter(_is_warm_up, schedulers):
        begin, end = warm_up.get('begin') or 0, warm_up.get('end')
        if end and moved[end] - moved.get(begin, 0) < SHORTEST:
            moved[end] = moved.get(begin, 0) + SHORTEST
    for scheduler in schedulers:
        _move(scheduler, moved, length, length / old)


def _fit_late_milestones(schedulers: list[Any], length: int, written: int | None) -> None:
    """Scale milestones that lie after the end of their scheduler: only the end was overridden."""
    for scheduler in schedulers:
        milestones = scheduler.get('milestones') or ()
        if any(m >= length for m in milestones):
            factor = length / written if written else 1
            scaled = {max(1, round(m * factor)) for m in milestones}
            scheduler['milestones'] = sorted(m for m in scaled if m < length)


def _move(scheduler: Any, moved: Mapping[int, int], length: int, factor: float) -> None:
    begin = moved.get(scheduler.get('begin') or 0, 0)
    if _is_warm_up(scheduler) and moved.get(scheduler.get('end'), 0) >= length:
        scheduler['_gone_'] = True  # no room for it
        return
    for name in BOUNDS:
        if scheduler.get(name):
            scheduler[name] = moved[scheduler[name]]
    if begin >= length:  # it began after a warm-up that there is no room for
        scheduler['begin'] = 0
    for name in PERIODS:
        value = scheduler.get(name)
        if isinstance(value, (list, tuple)):
            scaled = [max(1, round(v * factor)) for v in value]
            if name == 'milestones':  # increasing
                scaled = sorted({v for v in scaled if v < length})
            scheduler[name] = scaled
        elif value:
            scheduler[name] = max(1, round(value * factor))


def _set(cfg: Config, key: str, schedulers: list[Any]) -> None:
    name = key.partition('.')[2]
    if name:
        cfg.param_scheduler[name] = schedulers
    else:
        cfg.param_scheduler = schedulers
