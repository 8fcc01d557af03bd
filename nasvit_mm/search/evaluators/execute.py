"""Evaluating candidates, wherever that is: the interface, and what becomes of one that fails.

Places: this process (``in_process.py``), processes of this machine (``workers.py``), an executor
(``executor.py``), Dask (``on_dask.py``), the ranks of a launcher (``ranks.py``).
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from nasvit_mm.building import plain_files
from nasvit_mm.errors import UsageError, debugging
from nasvit_mm.search.evaluators.base import CandidateError, Evaluators, EvaluatorSpec, of_share

TRIES = 2  # of a candidate, before it counts as failed
TIME_LIMIT = 3600.0  # seconds of a candidate, by default
STARTING = 600.0  # seconds, or the limit of a candidate if that is more, of a worker to get ready

Specs = tuple[EvaluatorSpec, ...]
Arch = Mapping[str, Any]  # as of Arch.to_dict()


class Failed(NamedTuple):
    """What there is instead of metrics of a candidate that could not be measured."""

    reason: str


class Lost(NamedTuple):
    """What became of one try of a candidate whose worker is gone, or took too long."""

    reason: str


Outcome = dict[str, float] | Failed
Result = tuple[int, Outcome]


class Backend(Protocol):
    """Where candidates are evaluated."""

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        """Yield (place among ``archs``, metrics) of every candidate once, in whatever order they
        are ready; :class:`Failed` of one that could not be measured in :data:`TRIES` tries.

        Raises:
            UsageError: an evaluator that cannot be built or gives something else than metrics, or
                nowhere is left to evaluate: what no candidate is to blame for.
        """


def outcome(measure: Callable[..., dict[str, float]], *arguments: Any) -> Outcome:
    """Return what a measurement gives: metrics, or after some tries why there are none."""
    for _ in range(TRIES):
        try:
            return measure(*arguments)
        except CandidateError as error:
            if debugging():
                traceback.print_exc()
            failed = Failed(str(error))
            if isinstance(error.__cause__, UsageError):  # it says what to mend: no accident
                break
    return failed


def overdue(seconds: float) -> str:
    """Word that a candidate took too long."""
    return f'it took longer than time_limit = {seconds:g} s'


# ---------------------------------------------------------------------- in a worker
# One evaluator serves all threads of a process; it seeds generators and takes prints that are the
# process's.
_LOCK = threading.Lock()
_built = lru_cache(maxsize=2)(Evaluators)


def prepare(specs: Specs) -> None:
    """Build the evaluators in a worker that is new, which is no candidate's time."""
    with _LOCK, plain_files():
        _built(of_share(specs))


def evaluate_candidate(specs: Specs, arch: Arch) -> Outcome:
    """Measure a candidate in a worker: evaluators are built once in each process, and its threads
    take turns.
    """
    with _LOCK, plain_files():
        return outcome(_built(of_share(specs)), arch, specs[0].share)
