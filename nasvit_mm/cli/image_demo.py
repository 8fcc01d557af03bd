"""Segment images, or find objects in them, with a trained model.

    nasvit-mm image-demo IMAGES... CONFIG --weights CHECKPOINT [--out-dir outputs]

Each of IMAGES is a file, a folder (with all images below it) or a URL.  Drawn images, of segmentors
with a legend of the classes in them, go to OUT_DIR/vis, label maps to OUT_DIR/pred, detections as
JSON to OUT_DIR/preds, each by the name of its image, below folders like the image's.  Images that
cannot be read are left out and listed, and the exit status is then 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from rich.progress import track

from nasvit_mm.building import building
from nasvit_mm.checkpoints import check_checkpoint_exists, weights_only
from nasvit_mm.cli import common
from nasvit_mm.data import some_clauses
from nasvit_mm.dense import Drawing, build_model, check_checkpoint_fits, check_model, kind_of_config
from nasvit_mm.errors import UsageError, first_line, printable
from nasvit_mm.runtime import PlainConsole, check_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('images', metavar='IMAGES', nargs='+', help='files, folders or URLs')
    parser.add_argument('config', help='file of configs/')
    parser.add_argument('--weights', required=True, help='checkpoint: file or URL')
    parser.add_argument('--out-dir', default='outputs', help='where the results go (%(default)s)')
    parser.add_argument('--device', help='cuda:0, cpu (what there is)')
    parser.add_argument(
        '--opacity', type=float, default=0.6, help='of the drawn classes, 0 to 1 (%(default)s)'
    )
    parser.add_argument('--with-labels', action='store_true', help='write the names of classes')
    parser.add_argument(
        '--score',
        type=float,
        default=0.3,
        help='of the boxes that are drawn, at least (%(default)s)',
    )
    parser.add_argument('--show', action='store_true', help='show the images in windows')
    common.add_cfg_options(parser)


def main(argv: Sequence[str] | None = None) -> int | None:
    args = common.parse(__doc__, add_arguments, argv)
    if not 0 < args.opacity <= 1:
        raise UsageError(f'--opacity {args.opacity}: expected a number in (0, 1]')
    common.check_device(args.device)
    check_folder(args.out_dir, '--out-dir')
    cfg, out_dir = common.load_config(args), Path(args.out_dir)
    check_model(cfg)
    check_checkpoint_exists(args.weights)
    found = named_images(args.images, out_dir)
    # The inferencers would only warn of weights that do not fit, and draw noise.
    check_checkpoint_fits(build_model(cfg), args.weights, cfg)
    kind = kind_of_config(cfg.model)
    how = Drawing(args.device, args.opacity, args.with_labels, args.score, args.show)
    with building(cfg), weights_only():
        draw = kind.drawer(cfg, args.weights, how)
    bad = []
    for name, image in track(found.items(), console=PlainConsole(stderr=True)):
        try:
            check_whole(image)
            draw(image, out_dir, name)
        except (UsageError, MemoryError):
            raise
        except Exception as error:  # a decoder, or a transform, may raise anything
            said = first_line(error)
            kind_of_error = '' if isinstance(error, OSError) else f'{type(error).__name__}: '
            bad.append(f'{image}: {kind_of_error}{said}')
    if len(bad) == len(found):
        raise UsageError(f'no image can be read: {some_clauses(bad)}')
    what, folder = kind.writes
    print(printable(f'images: {out_dir / "vis"}, {what}: {out_dir / folder}'))
    if bad:
        print(printable(f'left out: {some_clauses(bad)}'), file=sys.stderr)
        return 1
    return None


def named_images(given: Sequence[str], out_dir: Path) -> dict[str, str]:
    """Return the images of files, folders and URLs by the names of what is written of each: the
    path below the folder, without suffix; of a name that is taken with a number.

    Args:
        out_dir: is not looked into where it is in one of the folders.

    Raises:
        UsageError: a path does not exist, or a folder has no image in it.
    """
    found: dict[str, str] = {}
    for source in given:
        path = Path(source)
        if '://' in source:
            some = {source: Path(source.partition('?')[0].rpartition('/')[2] or 'image')}
        elif path.is_dir():
            some = {
                str(image): image.relative_to(path)
                for image in sorted(path.rglob('*'))
                if image.suffix.lower() in Image.registered_extensions()
                and image.is_file()
                and out_dir.absolute() not in image.absolute().parents
            }
            if not some:
                raise UsageError(f'{source} holds no image: give another folder, or files')
        elif path.is_file():
            some = {source: Path(path.name)}
        else:
            raise UsageError(f'{source} does not exist; expected IMAGES, then the CONFIG')
        for image, place in some.items():
            name, number = str(place.with_suffix('')), 1
            while name in found:
                number += 1
                name = f'{place.with_suffix("")}_{number}'
            found[name] = image
    return found


def check_whole(image: str) -> None:
    """Check that a file is a whole image: OpenCV fills in what is lacking.

    Raises:
        OSError: it is broken, or no image; what else decoders raise.
    """
    if '://' not in image:
        with Image.open(image) as opened:
            opened.load()
