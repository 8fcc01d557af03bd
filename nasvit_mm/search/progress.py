"""What is told of a search while it runs: a bar, a table, and how long its candidates took."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from nasvit_mm.search.config import SearchPlan
from nasvit_mm.search.halving import Rung
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.archive import TIMINGS
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
        self.total, self.timing = plan.algorithm.generations, TimeLeft(plan.halving)
        self.children = plan.algorithm.children
        self.clock, self.scalars, self.every = clock, scalars, every
        self.generation, self.looking, self.said = 0, '', set()
        self.task = self.bar.add_task('search', total=None, left='')
        self.last = time.monotonic()
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
        """Say how many candidates there will be, at most."""
        if generation:
            self._end_generation()
        self.generation = generation
        later = self.children * (self.total - generation - 1)
        self.bar.update(self.task, total=self.standing.number + size + later)
        self.timing.begin()
        self._show()
        if self.clock:
            self.clock.begin()

    def done(self, record: Mapping[str, Any]) -> None:
        """Move on by a candidate."""
        self.standing.add(record)
        self.timing.done()
        if 'failed' in record:
            self.lost(record['index'], record['failed'])
        self._show()
        self._say()
        if self.clock:
            self.clock.done(record)

    def line(self) -> str:
        """Return how far the search is: done, best, size of the front, time left."""
        task, now = self.bar.tasks[0], self.standing
        parts = [f'{now.number} of {task.total:.0f} candidates', task.description]
        parts += [f'best {name} {value}' for name, value, _ in best_rows(self.bar.problem, now)]
        parts.append(front_words(now))
        return ', '.join([*parts, task.fields['left'] or 'time left not known yet'])

    def lost(self, index: int, reason: str) -> None:
        """Say at once that a candidate could not be measured; of many only the first ones."""
        if index not in self.said and len(self.said) < SAID:
            self.bar.console.print(f'candidate {index} failed: {reason}', markup=False)
            self.said.add(index)

    def measured(self, share: float) -> None:
        """Count an evaluation that was made now, on a share of the images."""
        self.timing.measured(share)

    def look(self, number: int, done: int, total: int) -> None:
        """Say how far a generation's candidates are in a look at a share of the images."""
        self.looking = f'look {number}: {done} of {total}' if done < total else ''
        self._show()
        self._say()

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
        text, number = ', '.join(parts), self.standing.number
        left = self.timing.words(self.bar.tasks[0].total - number)
        self.bar.update(self.task, completed=number, description=text, left=left)

    def _say(self) -> None:
        """Print a line where there is no terminal, every some seconds."""
        if self.lines and time.monotonic() - self.last >= self.every:
            self.bar.console.print(self.line(), markup=False, highlight=False, soft_wrap=True)
            self.last = time.monotonic()


class TimeLeft:
    """How long a search will take yet, by the evaluations that were made in this run.

    What the archive or an earlier search knows takes no time, and a look at a share of the images
    as much of it as it sees of them.

    Args:
        rungs: the looks of :mod:`nasvit_mm.search.halving`.
    """

    def __init__(self, rungs: Sequence[Rung] = ()) -> None:
        self.candidate, alive = 0.0, 1.0  # what one takes in the mean, in evaluations of all images
        for rung in rungs:
            self.candidate += alive * rung.share
            alive *= rung.keep
        self.candidate += alive
        self.work = self.own_work = 0.0  # of this run, of it of this generation
        self.records = 0  # of this generation
        self.began = time.monotonic()

    def begin(self) -> None:
        """Take note that a generation begins."""
        self.own_work, self.records = 0.0, 0
        self._wait()

    def done(self) -> None:
        """Take note that a candidate has its record."""
        self.records += 1
        self._wait()

    def measured(self, share: float) -> None:
        """Take note of an evaluation on a share of the images."""
        self.work += share
        self.own_work += share

    def _wait(self) -> None:
        if not self.work:  # so far all was known
            self.began = time.monotonic()

    def words(self, candidates: float) -> str:
        """Return ``'0:12:30 left'`` of a number of candidates without a record; '' where nothing
        was evaluated yet.
        """
        if not self.work:
            return ''
        recorded = self.records * self.candidate
        # Looks come before the records of a generation.
        left = candidates * self.candidate + recorded - max(recorded, self.own_work)
        seconds = (time.monotonic() - self.began) / self.work * max(0.0, left)
        return f'{timedelta(seconds=round(seconds))} left'


class _BarAndTable(Progress):
    """A bar, and a table of the best values under it."""

    def __init__(self, problem: Problem, standing: Standing, console: Console) -> None:
        self.problem, self.standing = problem, standing
        super().__init__(
            TextColumn('{task.description}', markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[left]}'),
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
    what the search took; and when and by what each was evaluated.

    They are not in the archive, whose bytes are a function of the search.

    Args:
        folder: of the search.
        known: number of candidates that the archive had before.
        device: what evaluates, in words.
    """

    def __init__(self, folder: str | Path, known: int, device: str) -> None:
        self.path, self.known, self.last = Path(folder, TIMINGS), known, time.perf_counter()
        self.device = device

    def begin(self) -> None:
        """Leave out what came before: the algorithm's own time."""
        self.last = time.perf_counter()

    def done(self, record: Mapping[str, Any]) -> None:
        """Write a candidate's line, unless the archive had it."""
        now = time.perf_counter()
        if record['index'] >= self.known:
            line = dict(
                index=record['index'],
                seconds=round(now - self.last, 3),
                ended=datetime.now().isoformat(timespec='seconds'),
                device=self.device,
            )
            with self.path.open('a') as file:
                file.write(json.dumps(line) + '\n')
        self.last = now
