"""Lay a network into a supernet that contains it, as nasvit-mm make-supernet.

python tools/make_supernet.py NETWORK --space SPACE [--out FILE]
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.make_supernet import main

if __name__ == '__main__':
    run(main)
