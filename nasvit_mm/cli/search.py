"""Search architectures for a task, under the cost of the whole dense model.

    nasvit-mm search configs/search/nasvit_ade20k_5g.py [--work-dir DIR] [--resume]
    nasvit-mm search CONFIG --workers 4                  # processes of this machine
    nasvit-mm search CONFIG --dask tcp://HOST:8786       # workers of a Dask cluster
    tools/dist_search.sh CONFIG 8                        # GPUs, one candidate each at a time

Writes to the work dir archive.jsonl (every candidate), timings.jsonl (what each took), front.json,
front.png and report.html.  A search that was killed resumes with --resume: nothing that was
evaluated is evaluated again.  Then nasvit-mm export hands a candidate to training.

A candidate that raises, exits or hangs is tried once more, then recorded as failed, and the search
goes on.  One that ends its process (a crash, too little memory) fails in the same way on --workers,
--dask and ranks; in one process it ends the search, and --resume evaluates it apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from nasvit_mm import apis
from nasvit_mm.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='file of configs/search/')
    parser.add_argument(
        '--resume',
        action='store_true',
        help='resume the archive in the work dir; none yet: a fresh start',
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        '--workers',
        type=int,
        default=1,
        metavar='N',
        help='number of worker processes (1: this process), each of as many threads as '
        'OMP_NUM_THREADS says',
    )
    where.add_argument(
        '--dask',
        metavar='ADDRESS',
        help="evaluate on a Dask cluster: tcp://HOST:PORT, or tls://HOST:PORT with Dask's own "
        'configuration (distributed.comm.tls)',
    )
    parser.add_argument(
        '--time-limit',
        type=float,
        metavar='SECONDS',
        help='how long a candidate may take; one that takes longer is tried again, then recorded '
        "as failed (the config's time_limit, else 3600)",
    )
    parser.add_argument(
        '--skip-data-check',
        action='store_true',
        help='do not look at what images and annotations hold before they are used',
    )
    common.add_run_arguments(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    cfg = common.load_config(args)
    apis.run_search(
        cfg,
        resume=args.resume,
        workers=args.workers,
        dask=args.dask,
        skip_data_check=args.skip_data_check,
        time_limit=args.time_limit,
    )
