"""What is told of a search while it runs: a bar, and how long its candidates took."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.record.front import front, record_values

SAID = 3  # failed candidates that are told of, one line each
EVERY = 30  # seconds between two lines where there is no terminal


class SearchBar:
    """A bar over all generations, with the best value of the first objective so far.

    Shown inside its ``with`` block; where the console is no terminal, as a line every some seconds.

    Args:
        clock: told of every candidate too; None: nobody.
        every: seconds between two lines.
    """

    def __init__(
        self, plan: SearchPlan, console: Console, clock: Clock | None = None, every: float = EVERY
    ) -> None:
        self.bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self.goal, self.total = plan.problem.objectives[0], plan.algorithm.generations
        self.clock, self.generation = clock, 0
        self.best, self.number, self.failed, self.said = None, 0, 0, set()
        self.task = self.bar.add_task('search', total=None)
        self.plan, self.every, self.told = plan, every, []
        self.began = self.last = time.monotonic()
        self.lines = not console.is_terminal

    def __enter__(self) -> SearchBar:
        if not self.lines:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def begin(self, generation: int, size: int) -> None:
        """Guess from a generation's size how many candidates there will be."""
        self.generation = generation
        self.bar.update(self.task, total=self.number + size * (self.total - generation))
        self._show()
        if self.clock:
            self.clock.begin()

    def done(self, record: Mapping[str, Any]) -> None:
        """Move on by a candidate."""
        self.number += 1
        if 'failed' in record:
            self.failed += 1
            self.lost(record['index'], record['failed'])
        else:
            value = record_values(record)[self.goal.metric]
            if self.best is None or self.goal.sign * value < self.goal.sign * self.best:
                self.best = value
        self._show()
        if self.lines and 'failed' not in record:
            self.told.append(record)
        if self.lines and time.monotonic() - self.last >= self.every:
            self.bar.console.print(self.line(), markup=False, highlight=False, soft_wrap=True)
            self.last = time.monotonic()
        if self.clock:
            self.clock.done(record)

    def line(self) -> str:
        """Return how far the search is: done, best, size of the front, time left."""
        task = self.bar.tasks[0]
        parts = [f'{self.number} of {task.total:.0f} candidates', task.description]
        parts.append(f'{len(front(self.plan.problem, self.told))} on the front')
        seconds = (time.monotonic() - self.began) / self.number * (task.total - self.number)
        return f'{", ".join(parts)}, {timedelta(seconds=round(max(0, seconds)))} left'

    def lost(self, index: int, reason: str) -> None:
        """Say at once that a candidate could not be measured; of many only the first ones."""
        if index not in self.said and len(self.said) < SAID:
            self.bar.console.print(f'candidate {index} failed: {reason}', markup=False)
            self.said.add(index)

    def _show(self) -> None:
        parts = [f'generation {self.generation + 1} of {self.total}']
        if self.failed:
            parts.append(f'{self.failed} failed')
        if self.best is not None:
            parts.append(f'best {self.goal.metric} {self.best:.6g}')
        self.bar.update(self.task, completed=self.number, description=', '.join(parts))


class Clock:
    """Seconds from one evaluated candidate to the next, a line each in ``timings.jsonl``: together
    what the search took.

    They are not in the archive, whose bytes are a function of the search.

    Args:
        folder: of the search.
        known: number of candidates that the archive had before.
    """

    def __init__(self, folder: str | Path, known: int) -> None:
        self.path, self.known, self.last = Path(folder, 'timings.jsonl'), known, time.perf_counter()

    def begin(self) -> None:
        """Leave out what came before: the algorithm's own time."""
        self.last = time.perf_counter()

    def done(self, record: Mapping[str, Any]) -> None:
        """Write a candidate's line, unless the archive had it."""
        now = time.perf_counter()
        if record['index'] >= self.known:
            line = dict(index=record['index'], seconds=round(now - self.last, 3))
            with self.path.open('a') as file:
                file.write(json.dumps(line) + '\n')
        self.last = now
