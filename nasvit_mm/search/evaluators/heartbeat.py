"""Signs of life between ranks, so that a dead one does not make the others wait."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar

from nasvit_mm.errors import DataError

BEAT = 2.0  # seconds between two signs of life
SILENT = 30.0  # seconds without one, after which a rank counts as dead
PREFIX = 'search/ranks'
T = TypeVar('T')


class RankError(DataError):
    """What one rank met ends the search on all; each of them says so, wherever its output goes."""


class Heartbeat:
    """Tells through the store that this rank lives, and watches one neighbour; all together watch
    all.  The signs come from a thread, so they do not wait for what the rank does.

    Args:
        store: of torch.distributed, common to all ranks.
        rank, size: of this process.
        beat: seconds between two signs of life.
        silent: seconds without one, after which a rank, or the store, counts as dead.
    """

    def __init__(
        self, store: Any, rank: int, size: int, beat: float = BEAT, silent: float = SILENT
    ) -> None:
        self.store, self.rank, self.size = store, rank, size
        self.beat, self.silent = beat, silent
        self._answered, self._ended, self._over = time.monotonic(), None, threading.Event()
        if size > 1:
            store.set(f'{PREFIX}/{rank}/host', socket.gethostname())
            threading.Thread(target=self._live, name='heartbeat', daemon=True).start()

    def check(self) -> None:
        """Check that all ranks live.

        Raises:
            RankError: names the one that does not, or what ended it.
        """
        if self._ended is not None:
            raise RankError(self._ended)
        if self.size > 1 and time.monotonic() - self._answered > self.silent:
            raise RankError(self._no_store())

    def ask(self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what the store answers, which may live in a process that is gone.

        Raises:
            RankError: it does not answer.
        """
        if self.size == 1:
            return call(*arguments)
        answer: Future[T] = Future()

        def work() -> None:
            try:
                answer.set_result(call(*arguments))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            return answer.result(self.silent)
        except (RuntimeError, OSError, Late) as error:  # torch's errors are RuntimeErrors
            self.check()
            raise RankError(self._no_store()) from error

    def leave(self, reason: str | None = None) -> None:
        """Give no more signs of life.

        Args:
            reason: why the search cannot go on; the other ranks end with it. None: it is over.
        """
        self._over.set()
        if reason is not None and self._ended is None and self.size > 1:
            self._ended = reason
            try:
                self.ask(self._tell, f'the search ended on rank {self.rank}: {reason}')
            except RankError:  # there is nobody to tell
                pass

    def _tell(self, reason: str) -> None:
        self.store.set(f'{PREFIX}/ended', json.dumps(reason))

    def _live(self) -> None:
        other, store = (self.rank + 1) % self.size, self.store
        count, heard = -1, time.monotonic()
        try:
            while not self._over.wait(self.beat):
                store.add(f'{PREFIX}/{self.rank}/beats', 1)
                now = store.add(f'{PREFIX}/{other}/beats', 0)
                self._answered = time.monotonic()
                if now != count:
                    count, heard = now, self._answered
                if store.check([f'{PREFIX}/ended']):
                    self._ended = json.loads(store.get(f'{PREFIX}/ended'))
                    return
                if self._answered - heard > self.silent:
                    self._tell(
                        f'rank {other}{self._host(other)} has given no sign of life for '
                        f'{self.silent:.0f} s: its process or machine is gone; start all ranks '
                        'again with --resume, which goes on from the archive'
                    )
        except Exception:
            self._answered = float('-inf')

    def _host(self, rank: int) -> str:
        key = f'{PREFIX}/{rank}/host'
        return f' (on {self.store.get(key).decode()})' if self.store.check([key]) else ''

    def _no_store(self) -> str:
        return (
            f'rank {self.rank} hears no more of the store that all ranks share: rank 0, or '
            'torchrun on its machine, is gone; start all ranks again with --resume, which goes on '
            'from the archive'
        )
