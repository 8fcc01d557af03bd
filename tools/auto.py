"""Go the whole way on your own data, as nasvit-mm auto.

python tools/auto.py DIR --task seg --macs 2G
"""

from nasvit_mm.cli.auto import main
from nasvit_mm.cli.common import run

if __name__ == '__main__':
    run(main)
