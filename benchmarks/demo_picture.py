"""The README's picture: the front of the demo's search, and what its winner makes of an image.

make demo
python benchmarks/demo_picture.py     # docs/demo.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--work-dir', type=Path, default=ROOT / 'work_dirs/demo', help='of the demo'
    )
    args = parser.parse_args()
    front = Image.open(args.work_dir / 'search/front.png').convert('RGB')
    overlay = Image.open(sorted((args.work_dir / 'overlays').glob('*.png'))[0]).convert('RGB')
    panel = overlay.width // 3  # image, annotation, prediction; their legend goes over all
    image, prediction = (
        overlay.crop((panel * i, 0, panel * (i + 1), overlay.height * 4 // 5)) for i in (0, 2)
    )
    front = front.resize((front.width * image.height // front.height, image.height))
    parts = [front, image, prediction]
    out = Image.new('RGB', (sum(p.width for p in parts), image.height))
    for i, part in enumerate(parts):
        out.paste(part, (sum(p.width for p in parts[:i]), 0))
    out.save(ROOT / 'docs/demo.png', optimize=True)


if __name__ == '__main__':
    main()
