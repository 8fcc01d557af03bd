"""Candidates spread over the workers of a Dask cluster, which may come, go and die."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from nasvit_mm.errors import UsageError, first_line
from nasvit_mm.search.evaluators.execute import STARTING, Specs, evaluate_candidate, prepare
from nasvit_mm.search.evaluators.executor import LOOK, OnExecutor, cancel

PATIENCE = 60.0  # seconds to wait for a worker, or for a scheduler that is gone to come back
RESTARTS = 5  # times that patience: workers are restarted one after another, a scheduler is busy
OUT_OF_TIME = (TimeoutError, asyncio.TimeoutError)  # one and the same from Python 3.11 on
GOES_ON = 'what was evaluated is in the archive, and --resume goes on'


class OnDask(OnExecutor):
    """Evaluate in the workers of a Dask cluster.

    See :class:`OnExecutor`; a worker that a candidate takes along is replaced by its nanny, after
    Dask has tried the candidate on some other workers (``distributed.scheduler.allowed-failures``).

    Args:
        client: of ``distributed``.
        address: of the scheduler, for messages.
        time_limit: see :class:`OnExecutor`; workers that hang are restarted by their nannies.
        patience: seconds to wait for a worker, and for a scheduler that is gone; five times that
            for one that is busy.
    """

    def __init__(
        self, client: Any, address: str, time_limit: float | None = None, patience: float = PATIENCE
    ) -> None:
        from distributed import KilledWorker

        # Pure, a candidate whose worker died would be its error for good.
        super().__init__(client.get_executor(pure=False), [KilledWorker], time_limit)
        self.client, self.address, self.patience = client, address, patience
        self._looked = self._staffed = time.monotonic()
        self._ready: set[str] = set()  # workers that have built the evaluators

    @classmethod
    @contextmanager
    def connected(cls, address: str, time_limit: float | None = None) -> Iterator[OnDask]:
        """Yield the cluster at an address, once it has a worker.

        Of ``tls://HOST:PORT`` the certificates are those of Dask's own configuration
        (``distributed.comm.tls``: ``ca-file``, ``client.cert``, ``client.key``).

        Raises:
            UsageError: no scheduler answers there, or it has no worker.
        """
        with _client(address) as client:
            await_workers(client, address)
            yield cls(client, address, time_limit)

    def prepare(self, specs: Specs) -> None:
        """See :class:`OnExecutor`; a worker that was restarted imports torch before all else."""
        if self.time_limit is None:
            return
        while not (there := self._workers()):
            self.check()
            time.sleep(LOOK)
        fresh = set(there) - self._ready
        waiting = {
            worker: self.client.submit(prepare, specs, workers=[worker], pure=False)
            for worker in fresh
        }
        end = time.monotonic() + max(self.time_limit, STARTING)
        while waiting and time.monotonic() < end:
            self.check()
            there = self._workers()
            waiting = {w: task for w, task in waiting.items() if w in there and not task.done()}
            time.sleep(LOOK / 10)
        self._ready |= fresh

    def check(self) -> None:
        """See :class:`OnExecutor`; wait for a scheduler that is gone to come back."""
        began = time.monotonic()
        while self.client.status != 'running':
            if self.client.status == 'closed' or time.monotonic() - began > self.patience:
                raise UsageError(self._no_scheduler())
            time.sleep(0.1)
        if time.monotonic() - self._looked < self.patience / 8:
            return
        self._looked = time.monotonic()
        if self._workers():
            self._staffed = self._looked
        elif self._looked - self._staffed > RESTARTS * self.patience:  # nannies restart them
            raise UsageError(
                f'--dask {self.address}: the scheduler has had no worker for '
                f'{RESTARTS * self.patience:.0f} s: start some (dask worker {self.address}); '
                f'{GOES_ON}'
            )

    def _workers(self) -> Collection[str]:
        """Return the addresses of all workers."""
        # It is connected, and may be busy: it imports what it is sent, torch with it.
        patience = RESTARTS * self.patience
        try:
            about = self.client.sync(self.client.scheduler.identity, callback_timeout=patience)
        except OUT_OF_TIME as error:
            raise UsageError(self._no_scheduler()) from error
        except OSError:  # the connection ended just now: its status will say so
            return ()
        return about['workers']

    def _no_scheduler(self) -> str:
        return f'--dask {self.address}: the scheduler is gone; start one; {GOES_ON}'

    def free(self, futures: Collection[Future]) -> bool:
        """See :class:`OnExecutor`."""
        name = evaluate_candidate.__name__
        stuck = [
            worker
            for worker, keys in self.client.processing().items()
            if any(str(key).startswith(name) for key in keys)
        ]
        if not stuck:
            return False
        cancel(futures)  # or the scheduler gives them to the workers that start anew
        self._ready -= set(stuck)
        try:
            # A nanny whose time is out leaves its worker ended.
            self.client.restart_workers(stuck, timeout=RESTARTS * self.patience)
        except OUT_OF_TIME:  # they are ended, and may come back: see `check`
            self._staffed = time.monotonic()
        except Exception as error:  # of those without a nanny
            raise UsageError(
                f'--dask {self.address}: no result of {len(futures)} candidates for time_limit = '
                f'{self.time_limit:g} s, and the workers {", ".join(stuck)} cannot be restarted '
                f'({first_line(error)}); restart them by hand; {GOES_ON}'
            ) from error
        return True


def _client(address: str) -> Any:
    if not address.strip():
        raise UsageError(f'--dask {address!r}: expected tcp://HOST:PORT or tls://HOST:PORT')
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError('--dask needs the package: pip install distributed') from error
    try:
        return Client(address)
    except Exception as error:  # of TLS: TypeError, RuntimeError, ssl.SSLError, ...
        secret = (
            '; the certificates of tls:// are those of '
            "Dask's configuration, distributed.comm.tls.ca-file, client.cert and client.key"
            if address.startswith('tls://')
            else ''
        )
        raise UsageError(
            f'--dask {address}: no scheduler of Dask answers there ({first_line(error)}); '
            f'expected tcp://HOST:PORT or tls://HOST:PORT{secret}'
        ) from error


def await_workers(client: Any, address: str, seconds: float = PATIENCE) -> None:
    """Wait until a Dask cluster has a worker, and say so.

    Raises:
        UsageError: it has none after so many seconds.
    """
    if client.scheduler_info()['workers']:
        return
    print(f'waiting for workers of {address}, {seconds:.0f} s at most', flush=True)
    try:
        client.wait_for_workers(1, timeout=seconds)
    except OUT_OF_TIME as error:
        raise UsageError(
            f'--dask {address}: the scheduler has no worker after {seconds:.0f} s; start some: '
            f'dask worker {address}'
        ) from error
