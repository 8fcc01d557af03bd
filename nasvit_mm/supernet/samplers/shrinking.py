"""Progressive shrinking: another sampler's draws from a space that grows (OFA)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from nasvit_mm.arguments import parameters_of
from nasvit_mm.config import plain_types
from nasvit_mm.errors import UsageError, check_number, shown_value, unknown
from nasvit_mm.registry import SAMPLERS, registered
from nasvit_mm.spaces import Field, Space
from nasvit_mm.supernet.samplers.base import Choice, SubnetSampler

REST = 'rest'
OUTER = ('space', 'seed', 'phases')  # arguments of a sampler that the outer one has


@SAMPLERS.register_module(name='shrinking')
class ShrinkingSampler(SubnetSampler):
    """Draws as another sampler does, from a space that grows with training: the largest network
    alone, then subnets of other depths, then of other widths, and so on.

    Small subnets, which would disturb the weights while those are still bad, come when the large
    ones are good (Once-for-All, ICLR 2020).  What is drawn is a function of the step, so a resumed
    run draws the same.  While one architecture is left a step has one subnet, and costs as much.

    Args:
        sampler: config of the other sampler, ``dict(type=..., ...)``.
        schedule: one mapping for each part of training::

                [
                    dict(steps=2000),                                      # the largest alone
                    dict(steps=2000, free=['depth'], num_random=1),
                    dict(steps=2000, free=dict(width=2)),                  # the two largest widths
                    dict(free='rest'),                                     # until the end
                ]

            ``steps`` is its length, which the last part needs not; ``free`` names the fields whose
            choices the subnets have from here on (``depth``, ``width`` and ``resolution`` in any
            space, or the fields' own names), all of them or so many from the largest on; ``'rest'``
            frees all that are left.  Other keys are the other sampler's, for this part.

    Raises:
        UsageError: a part that cannot be read, unknown fields, or fields that are never freed,
            whose smaller choices no step would train.
    """

    def __init__(
        self,
        *args: Any,
        sampler: Mapping[str, Any],
        schedule: Sequence[Mapping[str, Any]],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(sampler, Mapping):
            raise UsageError(f"sampler = {shown_value(sampler)}, expected dict(type='sandwich')")
        parts = _read(schedule)
        lengths = [part.pop('steps', 0) for part in parts]
        self.begins = [0, *accumulate(lengths[:-1])]  # of each part, in steps that are done
        self._plan = dict(type=sampler.get('type'), begins=self.begins)  # a resumed run keeps it
        self._inner, left = [], {f.name: 1 for f in self.space.fields}
        self._drawn: dict[Choice, Choice] = {}  # of the step -> as the inner sampler knows them
        for i, part in enumerate(parts):
            left = self._freed(left, part.pop('free', []), f'schedule[{i}].free')
            if 'type' in part:
                raise UsageError(
                    f'schedule[{i}].type = {shown_value(part["type"])}: all parts have the one '
                    'sampler, sampler.type'
                )
            self._inner.append(self._build(self._space(left), {**sampler, **part}, i))
        missing = [
            field.name
            for field in self.space.fields
            if any(len(c) > (left[field.name] or len(c)) for c in field.choices)
        ]
        if missing:
            raise UsageError(
                f'schedule never frees all of {", ".join(missing)}, whose smaller choices would '
                f"not be trained: end it with dict(free='{REST}'), or restrict the space"
            )
        self.roles = self._inner[-1].roles
        self._part = 0

    def _freed(self, left: Mapping[str, int | None], free: Any, where: str) -> dict:
        """Return by field how many of its largest choices subnets have, None: all."""
        if free == REST:
            return dict.fromkeys(left)
        if not isinstance(free, (Mapping, list, tuple)):
            raise UsageError(
                f'{where} = {shown_value(free)}, expected a list of fields, dict(depth=2), or '
                f"'{REST}'"
            )
        out = dict(left)
        for name in free:
            number = free[name] if isinstance(free, Mapping) else None
            if number is not None:
                check_number(f'{where}.{name}', number, low=1, whole=True)
            fields = [f.name for f in self.space.fields if name in (f.name, f.role)]
            if not fields:
                allowed = [f.name for f in self.space.fields]
                raise UsageError(unknown(f'a field of {where}', name, allowed))
            out |= dict.fromkeys(fields, number)
        return out

    def _space(self, left: Mapping[str, int | None]) -> Space:
        """Return the space of so many choices of every field, from the largest network's on."""

        def kept(field: Field) -> Any:
            top = self.space.largest[field.name]
            found = []
            for choices, value in zip(field.choices, top if field.positions else (top,)):
                number = left[field.name] or len(choices)
                # The largest network has the smallest patches.
                found.append(choices[:number] if value == choices[0] else choices[-number:])
            return found if field.positions else found[0]

        return self.space.restrict(**{field.name: kept(field) for field in self.space.fields})

    def _build(self, space: Space, cfg: Mapping[str, Any], place: int) -> SubnetSampler:
        cfg = plain_types(cfg)
        name = cfg.pop('type', None)
        kind = registered(SAMPLERS, name)
        if kind is None or kind is ShrinkingSampler:
            others = [each for each in SAMPLERS.module_dict if each != 'shrinking']
            raise UsageError(unknown('sampler.type', name, others))
        allowed = [each for each in parameters_of(kind) if each not in OUTER]
        for key in cfg:
            if key in OUTER:
                raise UsageError(
                    f'schedule[{place}], the sampler {name}: its {key} is that of the sampler '
                    'shrinking, give it there'
                )
            if key not in allowed:
                raise UsageError(unknown(f'a key of schedule[{place}]', key, allowed))
        if space.is_single:
            return _Only(space, kind.roles, phases=self.phases)
        try:
            return kind(space, phases=self.phases, **cfg)
        except (ValueError, TypeError) as error:
            raise UsageError(f'schedule[{place}], the sampler {name}: {error}') from error

    # ------------------------------------------------------------------ the parts
    def part(self, step: int) -> int:
        """Return the index of the schedule's part that a step is in; steps count from 1."""
        return int(np.searchsorted(self.begins, step - 1, side='right')) - 1

    def most(self) -> int:
        return max(inner.most() for inner in self._inner)

    def _at(self, step: int) -> SubnetSampler:
        self._part = self.part(step)
        inner = self._inner[self._part]
        inner.seed = self.seed
        return inner

    def check_length(self, steps: int) -> None:
        """Check that training is long enough for the schedule.

        Raises:
            UsageError: its last part would never begin.
        """
        if self.begins[-1] >= steps:
            raise UsageError(
                f'the last part of the schedule of the sampler begins after {self.begins[-1]:,} '
                f'steps, and training has {steps:,}: give longer training, or shorter parts, '
                'model.sampler.schedule'
            )

    def draw(self, step: int, epoch: int = 0) -> Iterator[Choice]:
        self._drawn.clear()
        for drawn in self._at(step).draw(step, epoch):
            choice = drawn._replace(arch=self.space.canonical(drawn.arch))
            self._drawn[choice] = drawn
            yield choice

    def observe(self, choice: Choice, score: float) -> None:
        self._inner[self._part].observe(self._drawn.get(choice, choice), score)

    def stale(self, step: int, steps_per_epoch: int) -> list[Choice]:
        return self._at(step).stale(step, steps_per_epoch)

    # ------------------------------------------------------------------ state
    @property
    def remembers(self) -> bool:
        return any(inner.remembers for inner in self._inner)

    def state_dict(self) -> dict[str, Any]:
        inner = self._inner[self._part].state_dict()
        return dict(part=self._part, sampler=inner, **self._plan)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; earlier versions wrote less, or nothing where nothing is remembered."""
        what = dict(type='its sampler.type is', begins='its parts begin after the steps')
        for name, ours in self._plan.items():
            theirs = state.get(name, ours)
            if theirs != ours:
                raise ValueError(f'{what[name]} {theirs!r}, here {ours!r}')
        if state:
            self._part = int(state['part'])
            if self._part >= len(self._inner):
                raise ValueError(
                    f'it is in part {self._part} of the schedule, which has {len(self._inner)} here'
                )
            self._inner[self._part].load_state_dict(state['sampler'])


class _Only(SubnetSampler):
    """Draws the one architecture of a space, once a step, in the first role of another sampler."""

    def __init__(self, space: Space, roles: Sequence[str], **kwargs: Any) -> None:
        super().__init__(space, **kwargs)
        self.roles = tuple(roles[:1])

    def draw(self, step: int, epoch: int = 0) -> Iterator[Choice]:
        yield Choice(self.space.largest, self.phase(step), *self.roles)


def _read(schedule: Any) -> list[dict[str, Any]]:
    """Return the parts of a schedule as plain mappings."""
    parts = plain_types(schedule)
    if not isinstance(parts, list) or not parts:
        raise UsageError(
            f'schedule = {shown_value(parts)}, expected a list of dict(steps=..., free=[...])'
        )
    for i, part in enumerate(parts):
        if not isinstance(part, dict):
            raise UsageError(
                f'schedule[{i}] = {shown_value(part)}, expected dict(steps=..., free=[...])'
            )
        if i < len(parts) - 1 or 'steps' in part:
            check_number(f'schedule[{i}].steps', part.get('steps'), low=1, whole=True)
    return parts
