"""Train the model of a config, as nasvit-mm train.

python tools/train.py CONFIG [--work-dir DIR] [--resume] [--amp] ...
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.train import main

if __name__ == '__main__':
    run(main)
