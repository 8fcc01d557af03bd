"""What command-line flags change in a config, and whether its schedule is possible."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec

from mmengine.config import Config

from nasvit_mm.compat import check_amp
from nasvit_mm.engine.errors import UsageError


def enable_amp(cfg: Config) -> None:
    """Turn on mixed precision."""
    try:
        check_amp()
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    if cfg.optim_wrapper.type not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UsageError(
            f'--amp needs optim_wrapper.type = OptimWrapper, the config says '
            f'{cfg.optim_wrapper.type}: leave --amp out'
        )
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def enable_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate by batch size over `auto_scale_lr.base_batch_size`."""
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise UsageError(
            '--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in the '
            'config: the batch size for which its learning rate is'
        )
    cfg.auto_scale_lr.enable = True


def enable_tensorboard(cfg: Config) -> None:
    """Log for TensorBoard beside the backends of the config."""
    if find_spec('tensorboard') is None:
        raise UsageError('--tensorboard: the package is missing: pip install tensorboard')
    cfg.visualizer.vis_backends = [
        *cfg.visualizer.get('vis_backends', ()),
        dict(type='TensorboardVisBackend'),
    ]


def loaders_without_workers(cfg: Config) -> None:
    """Where a data loader has no workers, none can persist: torch would refuse."""
    for key, loader in cfg.items():
        if key.endswith('_dataloader') and loader and loader.get('num_workers') == 0:
            loader.persistent_workers = False


def set_steps_per_epoch(cfg: Config, old: int, given: Collection[str] = ()) -> None:
    """Have a schedule that was computed with other steps per epoch follow ``cfg.steps_per_epoch``.

    A config file is read before its values are overridden: what it computed has to be computed
    again.

    Args:
        cfg: changed.
        old: steps per epoch that the schedule was computed with.
        given: dotted keys whose values stay.

    Raises:
        UsageError: not a positive number.
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
    """Check that every scheduler without an `end` begins before training ends."""
    schedulers, length = cfg.get('param_scheduler') or [], cfg.get('train_cfg', {}).get('max_iters')
    for i, scheduler in enumerate(schedulers if isinstance(schedulers, list) else []):
        if length and not scheduler.get('end') and scheduler.get('begin', 0) >= length:
            raise UsageError(
                f'train_cfg.max_iters = {length}, but param_scheduler.{i} ({scheduler.type}) only '
                f'begins at {scheduler.begin}, after the warm-up. For so short a run give: '
                f'--cfg-options param_scheduler.0.end=1 param_scheduler.{i}.begin=1'
            )
