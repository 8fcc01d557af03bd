"""Count MACs and parameters of a config's model, as nasvit-mm flops.

python tools/get_flops.py CONFIG [--shape H W] [--arch ARCH] [--json]
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.flops import main

if __name__ == '__main__':
    run(main)
