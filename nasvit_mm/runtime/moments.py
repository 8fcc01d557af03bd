"""Moments of a run that hooks and loops wait for: they lie within it, and move with its length."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.config import Config

from nasvit_mm.errors import UsageError, check_number


class Moment(NamedTuple):
    """An option that counts from the beginning of a run, or from its end.

    Attributes:
        key: of the option.
        by_epoch: whether it counts epochs, or iterations.
        spare: how many of them the run must be longer, so that the moment comes.
        default: where the config does not give it.
    """

    key: str
    by_epoch: bool
    spare: int = 0
    default: int = 0


HOOKS = {  # by the name of a hook's class
    'PipelineSwitchHook': (Moment('switch_epoch', True, 1),),
    'YOLOXModeSwitchHook': (Moment('num_last_epochs', True, 1, 15),),
    'EMAHook': (Moment('begin_epoch', True), Moment('begin_iter', False)),
}


class Found(NamedTuple):
    """A moment in a config.

    Attributes:
        where: dotted key of what has the option.
        node: what has it.
        type: the class of that, for people.
        moment: what it is.
    """

    where: str
    node: Any
    type: str
    moment: Moment

    @property
    def value(self) -> int:
        value = self.node.get(self.moment.key, self.moment.default)
        return check_number(f'{self.where}.{self.moment.key}', value, low=0, whole=True)


def moments(cfg: Config) -> Iterator[Found]:
    """Yield the moments of a config: of its hooks, and of its validation."""
    hooks = [(f'custom_hooks.{i}', h) for i, h in enumerate(cfg.get('custom_hooks') or ())]
    hooks += [(f'default_hooks.{k}', h) for k, h in (cfg.get('default_hooks') or {}).items()]
    for where, hook in hooks:
        kind = str(hook.get('type') if isinstance(hook, Mapping) else '').rpartition('.')[2]
        for moment in HOOKS.get(kind, ()):
            yield Found(where, hook, kind, moment)
    train = cfg.get('train_cfg') or {}
    if train.get('val_begin') is not None:
        by_epoch = train.get('max_epochs') is not None
        yield Found('train_cfg', train, 'validation', Moment('val_begin', by_epoch))


def check_moments(cfg: Config, lengths: Mapping[bool, int], remedy: str) -> None:
    """Check that what is waited for comes within a run.

    Args:
        lengths: of the run by ``by_epoch``, as far as known; none at all: nothing is checked.
        remedy: what moves it there.

    Raises:
        UsageError: names the option, its value, the length and the remedy.
    """
    for found in moments(cfg) if lengths else ():
        by_epoch, value = found.moment.by_epoch, found.value
        length = lengths.get(by_epoch)
        said = f'{found.where}.{found.moment.key} = {value} ({found.type})'
        if length is None and by_epoch and value:
            raise UsageError(f'{said} counts epochs, which a training by max_iters has none of')
        latest = max(0, (length or 0) - found.moment.spare)
        if length is not None and value > latest:
            raise UsageError(
                f'{said}, but the run is of {length} {"epochs" if by_epoch else "iterations"}: '
                f'set it to {latest} at most, or {remedy}'
            )


def scale_moments(
    cfg: Config, factor: float, lengths: Mapping[bool, int], given: Collection[str]
) -> None:
    """Scale what waits for a moment of the run to another length, in the config.

    Args:
        factor: by which the run is longer.
        lengths: of the run by ``by_epoch``.
        given: dotted keys whose values stay.
    """

    def stays(*keys: str) -> bool:
        return any(key == one or key.startswith(f'{one}.') for key in keys for one in given)

    for found in moments(cfg):
        key, length = found.moment.key, lengths.get(found.moment.by_epoch)
        if found.value and length and not stays(f'{found.where}.{key}'):
            latest = max(0, length - found.moment.spare)
            found.node[key] = min(latest, max(1, round(found.value * factor)))
    train = cfg.get('train_cfg') or {}
    if train.get('dynamic_intervals') and not stays('train_cfg.dynamic_intervals'):
        train['dynamic_intervals'] = [
            (max(1, round(begin * factor)) if begin else 0, interval)
            for begin, interval in train['dynamic_intervals']
        ]
    conflict = (cfg.get('model') or {}).get('conflict') or {}
    if conflict.get('start_epoch') and not stays('model.conflict.start_epoch'):
        conflict['start_epoch'] = max(1, round(conflict['start_epoch'] * factor))
