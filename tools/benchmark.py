"""Measure latency and memory of a config's model, as nasvit-mm benchmark.

python tools/benchmark.py CONFIG [--shape H W] [--build-table FILE] ...
"""

from nasvit_mm.cli.benchmark import main
from nasvit_mm.cli.common import run

if __name__ == '__main__':
    run(main)
