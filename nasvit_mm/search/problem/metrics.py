"""Names of costs: ``macs``, ``backbone.params``, ``classifier.macs@224x224``, ``latency``."""

from __future__ import annotations

import re
from typing import NamedTuple

KINDS = ('macs', 'params')
LATENCY = 'latency'  # of the whole model, in milliseconds, by a table
PARTS = ('total', 'backbone', 'head', 'classifier')
FORMS = '[total.|backbone.|head.|classifier.]macs|params[@HEIGHTxWIDTH], or latency'
FORM = re.compile(r'(?:(\w+)\.)?(\w+)(?:@(\d+)x(\d+))?')


class CostMetric(NamedTuple):
    """A cost of a candidate that is known before anything is built.

    Attributes:
        part: ``'total'`` is backbone, neck and head of the task; ``'head'`` neck and head;
            ``'classifier'`` the image classifier of the architecture.
        kind: ``'macs'``, ``'params'`` or ``'latency'``.
        size: (height, width) of the picture; None: the task's, of a classifier the architecture's.
    """

    part: str
    kind: str
    size: tuple[int, int] | None = None

    @classmethod
    def read(cls, name: str, has_task: bool) -> CostMetric | None:
        """The cost of a name; None where it is none, but a figure that an evaluator gives.

        A name without a part means the whole: of the task, or where there is none the classifier.

        Raises:
            ValueError: a part that there is not, or one of a task where there is none; what looks
                like a cost and is none.
        """
        if name == LATENCY:
            return cls('total', LATENCY)
        match = FORM.fullmatch(name)
        if match is None or match[2] not in KINDS:
            if name.partition('@')[0].split('.')[-1] in (*KINDS, LATENCY):
                raise ValueError(f'metric {name!r} is no cost, whose names are {FORMS}')
            return None
        part = match[1] or ('total' if has_task else 'classifier')
        if part not in PARTS:
            raise ValueError(f'metric {name!r}: part {part!r}, allowed: {", ".join(PARTS)}')
        if part != 'classifier' and not has_task:
            raise ValueError(
                f'metric {name!r} is a cost of a task, and the search has none: give '
                'task, a config with a model'
            )
        return cls(part, match[2], (int(match[3]), int(match[4])) if match[3] else None)
