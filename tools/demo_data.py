"""Write the built-in demo data, as nasvit-mm demo-data.

python tools/demo_data.py [--layout LAYOUT] [--out DIR]
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.demo_data import main

if __name__ == '__main__':
    run(main)
