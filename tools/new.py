"""Write the configs of a task for your own data, as nasvit-mm new.

python tools/new.py DIR --task seg --out my_task
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.new import main

if __name__ == '__main__':
    run(main)
