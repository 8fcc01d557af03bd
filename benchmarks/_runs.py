"""What the scripts of many trainings share: the tools as commands, and what they wrote."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def tool(name: str, *arguments: str | Path) -> None:
    """Run tools/<name>.py to its end, and show the command."""
    command = [sys.executable, str(ROOT / 'tools' / f'{name}.py'), *map(str, arguments)]
    print('$', *command[1:], flush=True)
    subprocess.run(command, cwd=ROOT, check=True,
                   env=dict(os.environ, PYTHONPATH=str(ROOT)), stdout=subprocess.DEVNULL)


def scalars(folder: Path) -> Iterator[dict]:
    """What was logged in a work dir, over all parts of a resumed run, in order."""
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def axes_style(axes: object) -> None:
    """A grid, and no frame but the axes."""
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
