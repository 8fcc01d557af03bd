"""Segment images, or find objects in them, as nasvit-mm image-demo.

python demo/image_demo.py IMAGES... CONFIG --weights CHECKPOINT [--out-dir DIR]
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.image_demo import main

if __name__ == '__main__':
    run(main)
