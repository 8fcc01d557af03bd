"""Candidates spread over processes of this machine, each of which may end or hang."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context, util
from multiprocessing.connection import Connection, wait
from typing import Any

from nasvit_mm.errors import UsageError, raised
from nasvit_mm.runtime import end_with_parent
from nasvit_mm.search.evaluators.execute import (
    STARTING,
    TRIES,
    Arch,
    Failed,
    Lost,
    Outcome,
    Result,
    Specs,
    evaluate_candidate,
    overdue,
    prepare,
)

VISIBLE = 'CUDA_VISIBLE_DEVICES'
LOOK = 1.0  # seconds between two looks at the workers, where nothing is heard of them


class Workers:
    """Evaluate in processes of this machine, each on a GPU of its own as far as there are several.

    A candidate that ends its process, or takes too long, fails alone: its process is replaced, and
    no other candidate is touched.  The processes end with this one, whatever ends it.

    Args:
        number: of processes, which start when there is something to evaluate.
        time_limit: seconds of a candidate, from when its process is ready; None: no limit.
        gpus: as in ``CUDA_VISIBLE_DEVICES``; None: all that this process sees.
        watch: called every second while candidates are evaluated; what it raises ends that.
        context: of multiprocessing; None: fresh processes.
    """

    def __init__(
        self,
        number: int,
        time_limit: float | None = None,
        gpus: Sequence[str] | None = None,
        watch: Callable[[], None] | None = None,
        context: Any = None,
    ) -> None:
        gpus = visible_gpus() if gpus is None else gpus
        context = context or get_context('spawn')
        self.workers = [
            Worker(context, gpus[i % len(gpus)] if gpus else None) for i in range(number)
        ]
        self.time_limit, self.watch = time_limit, watch or (lambda: None)
        # Python waits for its processes when it ends, and these wait for candidates.
        util.Finalize(self, _end_all, (self.workers,), exitpriority=0)

    def run(self, specs: Specs, archs: Sequence[Arch]) -> Iterator[Result]:
        """See :class:`Backend`."""
        waiting, lost = deque(range(len(archs))), Counter()
        try:
            while waiting or any(worker.busy for worker in self.workers):
                for worker in self.workers:
                    if waiting and not worker.busy:
                        place = waiting.popleft()
                        worker.begin(place, specs, archs[place], self.time_limit)
                self._wait()
                self.watch()
                for worker in [worker for worker in self.workers if worker.busy]:
                    place, found = worker.place, worker.answer()
                    if isinstance(found, UsageError):
                        raise found
                    if isinstance(found, Lost):
                        lost[place] += 1
                        if lost[place] < TRIES:
                            waiting.append(place)
                            continue
                        found = Failed(found.reason)
                    if found is not None:
                        yield place, found
        finally:
            for worker in self.workers:
                if worker.busy:
                    worker.end()

    def _wait(self) -> None:
        """Wait until something is heard of a worker, or it is time to look at all of them."""
        busy = [worker for worker in self.workers if worker.busy]
        patience = min([LOOK, *(worker.time_left() for worker in busy)])
        heard = [part for worker in busy for part in (worker.pipe, worker.process.sentinel)]
        wait(heard, max(0.0, patience))

    def close(self) -> None:
        """End all processes, also in the midst of a candidate."""
        _end_all(self.workers)


class Worker:
    """A process that evaluates one candidate at a time, replaced where it is gone.

    Args:
        gpu: the one that it sees; None: as this process.
    """

    def __init__(self, context: Any, gpu: str | None) -> None:
        self.context, self.gpu = context, gpu
        self.process = self.pipe = self.place = None
        self._ready, self._deadline = False, float('inf')

    @property
    def busy(self) -> bool:
        """Tell whether it evaluates, or its answer is not fetched yet."""
        return self.place is not None

    def time_left(self) -> float:
        """Return the seconds that the candidate may still take."""
        return self._deadline - time.monotonic()

    def begin(self, place: int, specs: Specs, arch: Arch, time_limit: float | None) -> None:
        """Begin to evaluate a candidate."""
        if self.process is None or not self.process.is_alive():
            self.end()
            self.pipe, theirs = self.context.Pipe()
            arguments = theirs, self.gpu, os.getpid()
            self.process = self.context.Process(target=serve, args=arguments, name='evaluation')
            self.process.start()
            theirs.close()
        self.place = place
        self._limit = float('inf') if time_limit is None else time_limit
        self._ready, self._deadline = False, time.monotonic() + max(self._limit, STARTING)
        try:
            self.pipe.send((specs, arch))
        except OSError:  # it ended just now: see `answer`
            pass

    def answer(self) -> Outcome | Lost | UsageError | None:
        """Return the outcome; None before, :class:`Lost` where the process is gone or overdue, and
        an error that is no candidate's.
        """
        gone = not self.process.is_alive()  # asked first: an answer may be its last deed
        try:
            if self.pipe.poll():
                found = self.pipe.recv()
                if found is None:  # it is ready, and begins
                    self._ready, self._deadline = True, time.monotonic() + self._limit
                    return None
                self.place = None
                return found
        except (EOFError, OSError):
            gone = True
        if gone:
            self.process.join()
            found = Lost(f'it ended its worker process ({_how_ended(self.process.exitcode)})')
        elif self.time_left() <= 0:
            slow = f'its worker process was not ready after {max(self._limit, STARTING):g} s'
            found = Lost(overdue(self._limit) if self._ready else slow)
        else:
            return None
        self.end()
        return found

    def end(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process.close()
            self.pipe.close()
        self.process = self.pipe = self.place = None


def _end_all(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.end()


def _how_ended(code: int) -> str:
    if code >= 0:
        return f'exit code {code}'
    name = signal.Signals(-code).name
    return f'{name}: was there too little memory?' if name == 'SIGKILL' else name


def serve(pipe: Connection, gpu: str | None, parent: int) -> None:
    """Be a worker process: evaluate what comes, until nobody is left to ask."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    if gpu is not None:
        os.environ[VISIBLE] = gpu  # before CUDA is asked for any
    while True:
        try:
            specs, arch = pipe.recv()
        except EOFError:
            return
        try:
            prepare(specs)
            pipe.send(None)
            answer = evaluate_candidate(specs, arch)
        except UsageError as error:
            answer = error
        except Exception as error:
            answer = UsageError(f'a worker process cannot evaluate: {raised(error)}')
        pipe.send(answer)


def visible_gpus() -> list[str]:
    """Return the names, as in ``CUDA_VISIBLE_DEVICES``, of the GPUs that this process sees."""
    import torch

    number, named = torch.cuda.device_count(), os.environ.get(VISIBLE)
    names = map(str, range(number)) if named is None else named.split(',')
    return [name.strip() for name in names][:number]
