"""Hand a searched backbone over to training, as nasvit-mm export.

python tools/export_subnet.py CONFIG [--candidate N] [--out DIR] ...
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.export import main

if __name__ == '__main__':
    run(main)
