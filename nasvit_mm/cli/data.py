"""Fetch a public data set from its source, into the layout that this project's configs read.

    nasvit-mm data                 # what there is, and on what terms
    nasvit-mm data camvid          # into data/camvid

What was downloaded is compared with its checksum.  A download that was cut is resumed by the same
command.  Without a network, or where the owners want a login, the commands to do it by hand are
printed; files that lie in data/downloads are taken from there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nasvit_mm.cli import common
from nasvit_mm.public_data import SETS, fetch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('name', nargs='?', metavar='NAME', help=', '.join(SETS))
    parser.add_argument(
        '--root', type=Path, default='.', help='folder in which data/ is (the current one)'
    )
    parser.add_argument('--keep', action='store_true', help='keep the downloaded archives')


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    if args.name is None:
        for name, about in SETS.items():
            print(f'{name}\n    {about.what}\n    terms: {about.terms}')
        return
    fetch(args.name, args.root, keep=args.keep)
