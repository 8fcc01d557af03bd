"""Go the whole way on built-in images, as nasvit-mm demo.

python tools/demo.py [--quick]
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.demo import main

if __name__ == '__main__':
    run(main)
