"""Commands one after another in one work dir: each is skipped once its result stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nasvit_mm.files import write_text
from nasvit_mm.runtime import with_starter

STATE = 'steps.json'
SHOWN = re.compile(  # of what commands print
    r'Iter\(|Epoch\(|^[┃│].*|Batch norm.*|^Verdict.*|^\d+ of \d+ candidates|^[\w ,]+: \d+ of \d+$'
)


class Step(NamedTuple):
    """One command.

    Attributes:
        name: in the state of the chain.
        title: what it does, for the user.
        command: arguments of ``nasvit-mm``; of an ``action`` what its result depends on.
        result: a file or folder that it writes.
        action: is called instead of the command; None: the command runs.
        alone: whether the result depends on the command alone, and not on earlier steps.
    """

    name: str
    title: str
    command: tuple[str, ...]
    result: Path
    action: Callable[[], Any] | None = None
    alone: bool = False


class Chain:
    """Runs steps in one work dir, and knows of each what it ran and how long it took.

    A step is skipped if the same command has ended in this work dir before, its result is there,
    and no earlier step that it depends on has run since.  Commands that were interrupted resume by
    themselves.

    Args:
        work_dir: where the state is kept.
        folder: in which commands run.
        number: of steps, for the user.

    Attributes:
        done: name -> command and seconds.
        stale: whether something ran, so that later results are of what was there before.
    """

    def __init__(self, work_dir: Path, folder: Path, number: int) -> None:
        self.path, self.folder, self.number = work_dir / STATE, folder, number
        self.done: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            self.done = json.loads(self.path.read_text(encoding='utf-8'))
        self.position, self.stale = 0, False

    def begin(self, title: str) -> None:
        """Say which step begins."""
        self.position += 1
        print(f'[{self.position}/{self.number}] {title}', flush=True)

    def run(self, step: Step) -> None:
        """Run a step, or say that its result is there already."""
        self.begin(step.title)
        known = self.done.get(step.name, {}).get('command')
        current = step.alone or not self.stale
        if known == list(step.command) and step.result.exists() and current:
            print(f'      there already: {step.result}', flush=True)
            return
        start = time.time()
        if step.action is None:
            call(step.command, self.folder)
        else:
            step.action()
        self.stale = True
        seconds = round(time.time() - start, 1)
        self.done[step.name] = dict(command=list(step.command), seconds=seconds)
        write_text(self.path, json.dumps(self.done, indent=1) + '\n')


def call(command: Sequence[str], folder: Path) -> None:
    """Run a command of nasvit-mm and show its progress lines; all of it where it fails."""
    shown = ' '.join(
        str(Path(a).relative_to(folder)) if a.startswith(f'{folder}{os.sep}') else a
        for a in command
    )
    print(f'      $ nasvit-mm {shown}', flush=True)
    lines = []
    with subprocess.Popen(
        [sys.executable, '-m', 'nasvit_mm.cli', *command],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, 'COLUMNS': '150', **with_starter()},
    ) as process:
        for line in process.stdout:
            lines.append(line)
            if found := SHOWN.search(line):
                print('      ' + line[found.start() :].rstrip(), flush=True)
    if process.returncode:
        sys.stderr.writelines(lines[-40:])
        sys.exit(process.returncode)
