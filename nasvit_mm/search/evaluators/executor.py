"""Candidates spread over the workers of an executor, Dask's or one of the user's own."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait

from nasvit_mm.errors import UsageError, raised
from nasvit_mm.search.evaluators.execute import (
    Arch,
    Failed,
    Lost,
    Outcome,
    Result,
    Specs,
    evaluate_candidate,
    overdue,
)

FEW = 4  # suspects that are tried one by one right away
LOOK = 1.0  # seconds between two looks at what the executor is


class OnExecutor:
    """Evaluate in the workers of a ``concurrent.futures`` executor (Dask's and loky's too).

    A candidate that raises or exits fails alone.  Where workers are lost, and it cannot be told by
    which candidate, those concerned are tried again: many together, as long as that gives results,
    few one by one, so that only the one to blame fails.

    Args:
        executor: one whose workers have this package.
        lost: exceptions that mean a lost worker, which the executor replaces itself.
        time_limit: seconds without any result, after which those that run took too long; None: no
            limit.
    """

    def __init__(
        self,
        executor: Executor,
        lost: Sequence[type[BaseException]] = (),
        time_limit: float | None = None,
    ) -> None:
        self.executor, self.lost, self.time_limit = executor, tuple(lost), time_limit

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        """See :class:`Backend`.

        Raises:
            UsageError: the executor takes no candidates, or cannot end one that takes too long.
        """
        waiting, together = list(range(len(archs))), True
        while waiting:
            places = list(waiting) if together else waiting[:1]
            reasons = {}
            for place, found in self._round(specs, archs, places):
                if isinstance(found, Lost):
                    reasons[place] = found.reason
                else:
                    waiting.remove(place)
                    yield place, found
            if together:
                together = FEW < len(reasons) < len(places)
                continue
            for place, reason in reasons.items():  # lost in company, and now alone
                waiting.remove(place)
                yield place, Failed(reason)
            together = len(waiting) > FEW

    def prepare(self, specs: Specs) -> None:
        """Let workers that are new get ready, before the time of any candidate begins."""

    def check(self) -> None:
        """Check, every second, that there is still somebody who evaluates.

        Raises:
            UsageError: says who is gone.
        """

    def free(self, futures: Collection[Future]) -> bool:
        """Free the workers of candidates that take too long, which go to no other worker.

        Args:
            futures: of the candidates without a result.

        Returns:
            Whether there were any; not where all candidates wait for a worker.

        Raises:
            UsageError: it is not possible.
        """
        raise UsageError(
            f'no result of {len(futures)} candidates for time_limit = {self.time_limit:g} s, and '
            'this executor cannot end them: end it, and resume; workers=N evaluates in processes '
            'that can be ended'
        )

    def _round(
        self, specs: Specs, archs: Sequence[Arch], places: Sequence[int]
    ) -> Iterator[tuple[int, Outcome | Lost]]:
        """Yield what becomes of candidates, each of which is submitted once."""
        self.prepare(specs)
        futures = self._submit(specs, archs, places)
        try:
            pending, last = set(futures), time.monotonic()
            limit = float('inf') if self.time_limit is None else self.time_limit
            while pending:
                done, pending = wait(pending, min(LOOK, limit), FIRST_COMPLETED)
                self.check()
                if done:
                    last = time.monotonic()
                elif time.monotonic() - last > limit:
                    if not self.free(pending):
                        last = time.monotonic()
                        continue
                    late = Lost(overdue(limit))
                    yield from ((futures[future], late) for future in pending)
                    return
                for future in done:
                    yield futures[future], self._result(future)
        finally:
            cancel(futures)

    def _result(self, future: Future) -> Outcome | Lost:
        try:
            return future.result()
        except self.lost as error:
            return Lost(f'it ended its worker ({raised(error)})')
        except CancelledError:
            return Lost('it was cancelled')
        except UsageError:  # an evaluator that cannot be built
            raise
        except Exception as error:  # of the executor: what is sent cannot be read there, ...
            return Lost(f'it could not be evaluated there ({raised(error)})')

    def _submit(
        self, specs: Specs, archs: Sequence[Arch], places: Sequence[int]
    ) -> dict[Future, int]:
        """Return future -> place; of those only that an executor still took which then broke."""
        futures = {}
        for place in places:
            try:
                future = self.executor.submit(evaluate_candidate, specs, archs[place])
            except self.lost as error:
                if not futures:
                    raise UsageError(
                        f'the executor takes no candidates ({raised(error)}): resume with a new one'
                    ) from error
                break
            futures[future] = place
        return futures


def cancel(futures: Collection[Future]) -> None:
    """Take back what nobody waits for any longer; what runs goes on."""
    for future in futures:
        future.cancel()
