"""Checking a schedule, and adapting it to the length of an epoch."""

from __future__ import annotations

from collections.abc import Collection

from mmengine.config import Config

from nasvit_mm.errors import UsageError


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


def check_schedule(cfg: Config) -> None:
    """Check that every scheduler without an ``end`` begins before training ends."""
    schedulers, length = cfg.get('param_scheduler') or [], cfg.get('train_cfg', {}).get('max_iters')
    for i, scheduler in enumerate(schedulers if isinstance(schedulers, list) else []):
        if length and not scheduler.get('end') and scheduler.get('begin', 0) >= length:
            raise UsageError(
                f'train_cfg.max_iters = {length}, but param_scheduler.{i} ({scheduler.type}) only '
                f'begins at {scheduler.begin}, after the warm-up. For a run this short give: '
                f'--cfg-options param_scheduler.0.end=1 param_scheduler.{i}.begin=1'
            )
