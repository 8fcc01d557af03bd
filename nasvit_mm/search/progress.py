"""What is told of a search while it runs: a bar, a table, and how long its candidates took."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.front import in_units
from nasvit_mm.search.scalars import Scalars
from nasvit_mm.search.standing import Standing

SAID = 3  # failed candidates that are told of, one line each
EVERY = 30  # seconds between two lines where there is no terminal


class SearchBar:
    """A bar over all generations, and under it how the search stands: the best of each objective,
    the front, its hypervolume, failures.

    Shown inside its ``with`` block; where the console is no terminal, as a line every some seconds.

    Args:
        clock, scalars: told of the search too; None: nobody.
        every: seconds between two lines.
    """

    def __init__(
        self,
        plan: SearchPlan,
        console: Console,
        clock: Clock | None = None,
        scalars: Scalars | None = None,
        every: float = EVERY,
    ) -> None:
        self.standing = Standing(plan.problem)
        self.bar = _BarAndTable(plan.problem, self.standing, console)
        self.total = plan.algorithm.generations
        self.clock, self.scalars, self.every = clock, scalars, every
        self.generation, self.looking, self.said = 0, '', set()
        self.task = self.bar.add_task('search', total=None)
        self.began = self.last = time.monotonic()
        self.lines = not console.is_terminal

    def __enter__(self) -> SearchBar:
        if not self.lines:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self._end_generation()
        self.bar.stop()
        if self.scalars:
            self.scalars.close()

    def begin(self, generation: int, size: int) -> None:
        """Guess from a generation's size how many candidates there will be."""
        if generation:
            self._end_generation()
        self.generation = generation
        self.bar.update(self.task, total=self.standing.number + size * (self.total - generation))
        self._show()
        if self.clock:
            self.clock.begin()

    def done(self, record: Mapping[str, Any]) -> None:
        """Move on by a candidate."""
        self.standing.add(record)
        if 'failed' in record:
            self.lost(record['index'], record['failed'])
        self._show()
        if self.lines and time.monotonic() - self.last >= self.every:
            self.bar.console.print(self.line(), markup=False, highlight=False, soft_wrap=True)
            self.last = time.monotonic()
        if self.clock:
            self.clock.done(record)

    def line(self) -> str:
        """Return how far the search is: done, best, size of the front, time left."""
        task, now = self.bar.tasks[0], self.standing
        parts = [f'{now.number} of {task.total:.0f} candidates', task.description]
        parts += [f'best {name} {value}' for name, value, _ in best_rows(self.bar.problem, now)]
        parts.append(front_words(now))
        seconds = (time.monotonic() - self.began) / now.number * (task.total - now.number)
        return f'{", ".join(parts)}, {timedelta(seconds=round(max(0, seconds)))} left'

    def lost(self, index: int, reason: str) -> None:
        """Say at once that a candidate could not be measured; of many only the first ones."""
        if index not in self.said and len(self.said) < SAID:
            self.bar.console.print(f'candidate {index} failed: {reason}', markup=False)
            self.said.add(index)

    def look(self, number: int, done: int, total: int) -> None:
        """Say how far a generation's candidates are in a look at a share of the images."""
        self.looking = f'look {number}: {done} of {total}' if done < total else ''
        self._show()

    def _end_generation(self) -> None:
        self.standing.end_generation()
        if self.scalars:
            self.scalars.end_generation(self.standing)

    def _show(self) -> None:
        parts = [f'generation {self.generation + 1} of {self.total}']
        if self.looking:
            parts.append(self.looking)
        if self.standing.stopped:
            parts.append(f'{self.standing.stopped} stopped early')
        if self.standing.failed:
            parts.append(f'{self.standing.failed} failed')
        text = ', '.join(parts)
        self.bar.update(self.task, completed=self.standing.number, description=text)


class _BarAndTable(Progress):
    """A bar, and a table of the best values under it."""

    def __init__(self, problem: Problem, standing: Standing, console: Console) -> None:
        self.problem, self.standing = problem, standing
        super().__init__(
            TextColumn('{task.description}', markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def get_renderables(self) -> Iterator[RenderableType]:
        """Return what rich draws anew some times a second."""
        yield from super().get_renderables()
        if self.standing.best:
            table = Table.grid(padding=(0, 2))
            for name, value, index in best_rows(self.problem, self.standing):
                table.add_row(f'  best {name}', value, f'candidate {index}')
            yield table
            yield Text(f'  {front_words(self.standing)}')


def best_rows(problem: Problem, standing: Standing) -> list[tuple[str, str, int]]:
    """Return (objective, best value in its unit, candidate) of all objectives."""
    return [
        (name, in_units(problem, name, best.value), best.index)
        for name, best in standing.best.items()
    ]


def front_words(standing: Standing) -> str:
    """Word how large the front is, and how it has grown."""
    words = f'{len(standing.front)} on the front'
    if standing.growth is not None:
        words += f', {standing.growth:.3g} times the hypervolume of the first generation'
    return words


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
