"""Fetch a public data set, as nasvit-mm data.

python tools/data.py camvid
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.data import main

if __name__ == '__main__':
    run(main)
