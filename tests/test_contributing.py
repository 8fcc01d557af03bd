"""The worked example of CONTRIBUTING.md: registered as it stands, tested like every family."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ['tests/test_spaces/test_space.py', 'tests/test_cost/test_count.py',
         'tests/test_backbones/test_families.py', 'tests/test_backbones/test_pretrained.py']


def example() -> str:
    """All Python of the section."""
    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    section = text.split('### A worked example')[1].split('\n## ')[0]
    blocks = re.findall(r'```python\n(.*?)```', section, re.S)
    assert len(blocks) == 3
    return '\n\n'.join(blocks)


@pytest.mark.slow
def test_example_passes_the_family_tests(tmp_path: Path) -> None:
    (tmp_path / 'ladder_example.py').write_text(example(), encoding='utf-8')
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'ladder_example', '-k', 'ladder',
         '-p', 'no:cacheprovider', *FILES],
        cwd=ROOT, env=dict(os.environ, PYTHONPATH=paths), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert int(re.search(r'(\d+) passed', done.stdout)[1]) > 130
