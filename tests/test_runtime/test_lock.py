"""A work dir trains once at a time."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nasvit_mm import apis
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import disk_errors, locked
from nasvit_mm.search import Archive
from tests.commands import ROOT
from tests.test_runtime.toy import quick_runs, toy_config

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], 'a')
fcntl.lockf(file, fcntl.LOCK_EX)
print('held', flush=True)
time.sleep(60)
"""


def test_a_second_training_is_refused(tmp_path: Path) -> None:
    """By one that is alive; once it is killed, what it wrote keeps nobody out."""
    lock = tmp_path / 'train.lock'
    lock.write_text('process 12345 on somewhere')
    other = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(lock)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert other.stdout.readline() == 'held\n'
        with pytest.raises(UsageError, match='process 12345 on somewhere is training in .*give'):
            apis.train(toy_config(tmp_path))
        assert not list(tmp_path.glob('*.pth'))
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    with quick_runs():
        apis.train(toy_config(tmp_path))
    assert (tmp_path / 'iter_10.pth').exists() and lock.read_text() == ''


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    for name in ('train.lock', 'archive.jsonl'):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=r'train\.lock cannot be used \(Is a directory\): move'):
        apis.train(toy_config(tmp_path))
    with pytest.raises(UsageError, match=r'archive\.jsonl cannot be used'), disk_errors(tmp_path):
        Archive.open(tmp_path, {}, resume=True)


def test_who_has_it_is_written_and_forgotten(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path):
            said = (tmp_path / 'train.lock').read_text()
            assert said == f'process {os.getpid()} on {platform.node()}'
        assert (tmp_path / 'train.lock').read_text() == ''
