"""Candidates evaluated one after another, in this process."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nasvit_mm.files import write_text
from nasvit_mm.search.evaluators.base import CandidateError, Evaluators, Overdue, of_share
from nasvit_mm.search.evaluators.execute import Arch, Outcome, Result, Specs, outcome, overdue
from nasvit_mm.search.evaluators.workers import Workers


class InProcess:
    """Evaluate one after another, in this process; the evaluators are built once and held.

    A candidate that raises or exits fails alone.  One that takes too long is interrupted, unless it
    hangs in C code, or this is not the main thread.  One that ends the process ends the search;
    with a note the next search in the folder evaluates that candidate in a process of its own.

    Args:
        time_limit: seconds of a candidate; None: no limit.
        note: file that holds the candidate that is evaluated right now; None: none.
    """

    def __init__(self, time_limit: float | None = None, note: str | Path | None = None) -> None:
        self.evaluators: Evaluators | None = None
        self.time_limit, self.note = time_limit, note and Path(note)
        self._suspect = self._read_note()

    def measure(self, specs: Specs, arch: Arch) -> dict[str, float]:
        """Return the metrics of one candidate."""
        self._build(specs)
        return self.evaluators(arch, specs[0].share)

    def _build(self, specs: Specs) -> None:
        specs = of_share(specs)
        if self.evaluators is None or self.evaluators.specs != specs:
            self.evaluators = Evaluators(specs)

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        for place, arch in enumerate(archs):
            with self._noted(arch):
                if json.dumps(arch) == self._suspect:
                    found = self._apart(specs, arch)
                else:
                    found = outcome(self._in_time, specs, arch)
            yield place, found

    def _in_time(self, specs: Specs, arch: Arch) -> dict[str, float]:
        self._build(specs)  # that is not the candidate's time
        try:
            with _limited(self.time_limit):
                return self.measure(specs, arch)
        except Overdue:
            self.evaluators = None  # they were left in the midst of something
            raise CandidateError(overdue(self.time_limit)) from None

    def _apart(self, specs: Specs, arch: Arch) -> Outcome:
        self._suspect, workers = None, Workers(1, self.time_limit)
        try:
            return next(workers.run(specs, [arch]))[1]
        finally:
            workers.close()

    @contextmanager
    def _noted(self, arch: Arch) -> Iterator[None]:
        if self.note is None:
            yield
            return
        write_text(self.note, json.dumps(arch))
        try:
            yield
        finally:  # not where the process ends at once
            self.note.unlink(missing_ok=True)

    def _read_note(self) -> str | None:
        """Return the candidate in whose midst the last process ended."""
        return self.note.read_text() if self.note and self.note.exists() else None


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Interrupt the block after so many seconds, by the alarm that Unix has for the main thread; an
    alarm of somebody else's that is due before stays as it is.

    Raises:
        Overdue: the block took longer.
    """
    there, _ = signal.getitimer(signal.ITIMER_REAL)
    in_main = threading.current_thread() is threading.main_thread()
    if seconds is None or not in_main or 0 < there < seconds:
        yield
        return

    def interrupt(*_: object) -> None:
        raise Overdue

    began, before = time.monotonic(), signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        left = max(1e-3, there - (time.monotonic() - began)) if there else 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)
