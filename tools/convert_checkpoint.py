"""Turn an official checkpoint into one of this package, as nasvit-mm convert.

python tools/convert_checkpoint.py SPACE CHECKPOINT OUT [--arch ARCH]
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.convert import main

if __name__ == '__main__':
    run(main)
