"""Evaluate a checkpoint on the test data of a config, as nasvit-mm test.

python tools/test.py CONFIG CHECKPOINT [--show-dir DIR] [--out DIR] [--tta] ...
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.test import main

if __name__ == '__main__':
    run(main)
