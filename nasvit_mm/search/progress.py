"""What a search shows while it runs, and how long its candidates took."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.loop import figures


class Bar:
    """A bar over all generations, with the best figure so far; called as of ``search``'s
    ``progress``.
    """

    def __init__(self, plan: SearchPlan, console: Console) -> None:
        self.bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self.goal, self.total = plan.problem.objectives[0], plan.algorithm.generations
        self.best, self.done, self.failed = None, 0, 0
        self.task = self.bar.add_task('search', total=None)

    def __call__(self, generation: int, number: int, record: Mapping[str, Any] | None) -> None:
        if record is None:
            self.bar.update(self.task, total=self.done + number * (self.total - generation))
        else:
            self.done += 1
            self._note(record)
        self.bar.update(
            self.task,
            completed=self.done,
            description=''.join(
                (
                    f'generation {generation + 1} of {self.total}',
                    f', {self.failed} failed' if self.failed else '',
                    '' if self.best is None else f', best {self.goal.metric} {self.best:.6g}',
                )
            ),
        )

    def _note(self, record: Mapping[str, Any]) -> None:
        if 'failed' in record:
            if not self.failed:
                self.bar.console.print(
                    f'candidate {record["index"]} failed: {record["failed"]}', markup=False
                )
            self.failed += 1
            return
        value = figures(record)[self.goal.metric]
        if self.best is None or self.goal.sign * value < self.goal.sign * self.best:
            self.best = value


class Clock:
    """Seconds from one evaluated candidate to the next, a line each in ``timings.jsonl``: together
    what the search took.  They are not in the archive, whose bytes are a function of the search.

    Args:
        folder: of the search.
        known: number of candidates that the archive had before.
    """

    def __init__(self, folder: str | Path, known: int) -> None:
        self.path, self.known, self.last = Path(folder, 'timings.jsonl'), known, time.perf_counter()

    def __call__(self, record: Mapping[str, Any] | None) -> None:
        now = time.perf_counter()
        if record is not None and record['index'] >= self.known:
            line = dict(index=record['index'], seconds=round(now - self.last, 3))
            with self.path.open('a') as file:
                file.write(json.dumps(line) + '\n')
        self.last = now
