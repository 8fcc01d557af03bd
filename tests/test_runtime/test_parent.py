"""Processes end with the one that started them, whatever ended that one."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from multiprocessing import get_context

import pytest

from nasvit_mm.runtime import end_with_parent, end_with_starter, with_starter
from nasvit_mm.search import Workers
from tests.test_search.common import TOY, problem, spec

FORK = get_context('fork')


def child(platform: str) -> None:
    """A process that would work for minutes."""
    sys.platform = platform
    end_with_parent(every=0.05)
    time.sleep(600)


def starts_a_child(begun, platform: str) -> None:
    FORK.Process(target=child, args=(platform,)).start()
    begun.set()
    time.sleep(600)


def searches(begun) -> None:
    workers = Workers(2, context=FORK)
    begun.set()
    archs = [problem().space.smallest.to_dict()] * 2
    list(workers.run((spec(dict(TOY, seconds=600.0)),), archs))


@pytest.mark.parametrize('end', [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    ('work', 'arguments'),
    [(starts_a_child, ('linux',)), (starts_a_child, ('darwin',)), (searches, ())],
    ids=['kernel', 'thread', 'search'],
)
def test_no_child_is_left(work, arguments, end):
    reading, writing = os.pipe()  # the end for writing is open as long as one of them lives
    begun = FORK.Event()
    parent = FORK.Process(target=work, args=(begun, *arguments))
    parent.start()
    os.close(writing)
    assert begun.wait(20)
    time.sleep(0.3)
    assert not select.select([reading], [], [], 0)[0]
    os.kill(parent.pid, end)
    parent.join()
    assert select.select([reading], [], [], 10)[0], 'a child lives on'
    assert os.read(reading, 1) == b''
    os.close(reading)


def comes_late(parent: int) -> None:
    end_with_parent(parent)


def test_a_parent_that_is_gone_already():
    late = FORK.Process(target=comes_late, args=(os.getpid() + 1,))
    late.start()
    late.join()
    assert late.exitcode == 1


def test_a_command_is_told_by_its_environment(monkeypatch):
    """And does not tell its own children, whose parent it is."""
    told = []
    monkeypatch.setattr('nasvit_mm.runtime.parent.end_with_parent', told.append)
    end_with_starter()
    for name, value in with_starter().items():
        monkeypatch.setenv(name, value)
    end_with_starter()
    end_with_starter()
    assert told == [os.getpid()]
