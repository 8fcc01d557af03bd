"""MACs and parameters as costs, and how they are named: ``macs``, ``backbone.params``, ..."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from nasvit_mm.cost import Cost, WindowSampler, count
from nasvit_mm.dense import Size
from nasvit_mm.errors import UsageError, check_number, unknown
from nasvit_mm.search.problem.sources import CostSource, Searched

LARGEST = 65536  # pixels of a side
PARTS = ('total', 'backbone', 'head', 'classifier')
UNITS = {'macs': 'MACs', 'params': 'params'}  # of both kinds
FORMS = '[total.|backbone.|head.|classifier.]macs|params[@HEIGHTxWIDTH]'
FORM = re.compile(r'(?:(\w+)\.)?(\w+)(?:@(\d+)x(\d+))?')
SCALES = ((1e9, 'G'), (1e6, 'M'))


class Counted(NamedTuple):
    """What a name counts.

    Attributes:
        part: ``'total'`` is backbone, neck and head of the task; ``'head'`` neck and head;
            ``'classifier'`` the image classifier of the architecture.
        kind: ``'macs'`` or ``'params'``.
        size: (height, width) of the image; None: the task's, of a classifier the architecture's.
    """

    part: str
    kind: str
    size: Size | None = None

    @classmethod
    def read(cls, name: str, has_task: bool) -> Counted | None:
        """Read a name; return None where it counts neither MACs nor parameters.

        A name without a part means the whole: of the task, or where there is none the classifier.

        Raises:
            UsageError: an unknown part, or a part of a task where there is none.
        """
        match = FORM.fullmatch(name)
        if match is None or match[2] not in UNITS:
            return None
        part = match[1] or ('total' if has_task else 'classifier')
        if part not in PARTS:
            raise UsageError(unknown(f'metric {name!r}: part', part, PARTS))
        if part != 'classifier' and not has_task:
            raise UsageError(
                f'metric {name!r} is a cost of a task, and the search has none: give '
                'task, a config with a model'
            )
        sides = [int(side[:9]) for side in match.groups()[2:] if side]
        for side in sides:
            check_number(f'metric {name[:60]!r}: a side', side, low=1, high=LARGEST, whole=True)
        return cls(part, match[2], tuple(sides) or None)


class CountedCost(CostSource):
    """MACs or parameters, equal to a trace of the built model to the last digit."""

    draws_windows = True

    def __init__(self, name: str, searched: Searched, counted: Counted) -> None:
        super().__init__(name, searched)
        self.part, self.kind, size = counted
        self.unit = UNITS[self.kind]
        without_task = None if searched.task and self.part == 'classifier' else searched.input_size
        self.size = size or without_task

    def count(self, genes: np.ndarray) -> Cost:
        """Count MACs and parameters of the part, with their breakdown.

        Raises:
            UsageError: images of this size are too small for the model.
        """
        task = self.searched.task
        try:
            if self.part == 'classifier':
                return count(self.searched.space, genes, self.size)
            return getattr(task, self.part)(genes, self.size)
        except UsageError:
            raise
        except (ValueError, RuntimeError) as error:
            raise UsageError(f'{self.name!r} at input_size = {self.size}: {error}') from error

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        return getattr(self.count(genes), self.kind)

    def window(self, low: float, high: float) -> WindowSampler:
        return WindowSampler(self.searched.space, low, high, cost=self.count, kind=self.kind)

    def show(self, value: float) -> str:
        for scale, prefix in SCALES:
            if abs(value) >= scale:
                return f'{value / scale:.3f} {prefix}'
        return f'{value:.6g}'

    @property
    def axis(self) -> tuple[float, str]:
        return counted_axis(self.kind)


def counted_axis(name: str) -> tuple[float, str] | None:
    """Return the axis of a count by its name, None of another cost; see :attr:`CostSource.axis`."""
    match = FORM.fullmatch(name)
    if match is None or match[2] not in UNITS:
        return None
    scale, prefix = SCALES[0 if match[2] == 'macs' else 1]
    return scale, f'{prefix} {UNITS[match[2]]}'
