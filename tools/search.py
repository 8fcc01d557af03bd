"""Search architectures under the cost of a dense model, as nasvit-mm search.

python tools/search.py CONFIG [--work-dir DIR] [--resume] [--workers N] ...
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.search import main

if __name__ == '__main__':
    run(main)
