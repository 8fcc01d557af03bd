"""Search architectures for a task, under the cost of the whole dense model.

    nasvit-mm search configs/search/nasvit_ade20k_5g_search.py [--work-dir DIR] [--resume]
    nasvit-mm search CONFIG --workers 4                  # processes of this machine
    nasvit-mm search CONFIG --dask tcp://HOST:8786       # workers of a Dask cluster
    nasvit-mm search CONFIG --from DIR --high macs=3e9   # an earlier search under another budget
    nasvit-mm search CONFIG --advise                     # which cheaper evaluation is as good
    tools/dist_search.sh CONFIG 8                        # GPUs, one candidate each at a time

Writes to the work dir archive.jsonl (every candidate), timings.jsonl (what each took), search.json
(the config with what else was given), front.json, front.png and report.html.  A search that was
killed resumes with --resume: nothing that was evaluated is evaluated again.  The last line is the
command by which nasvit-mm export hands a candidate to training.

--from prints the front of a search that has run under other bounds, and what part of the new range
nobody has looked at; it evaluates nothing.  With --extend a search goes on from there in another
--work-dir, and evaluates only candidates that are not known.

--advise measures which cheaper evaluation keeps the order of candidates: fewer batches for batch
norms, bfloat16, more images at once, a share of the images, and these together; it prints what to
write into the config, and searches nothing.

A candidate that raises, exits or hangs is tried once more, then recorded as failed, and the search
goes on.  One that ends its process (a crash, too little memory) fails in the same way on --workers,
--dask and ranks; in one process it ends the search, and --resume evaluates it apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence

from nasvit_mm import apis
from nasvit_mm.cli import common
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import PlainConsole
from nasvit_mm.search import front_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='file of configs/search/')
    parser.add_argument(
        '--resume',
        action='store_true',
        help='resume the archive in the work dir; none yet: a fresh start',
    )
    for side, word in (('low', 'least'), ('high', 'most')):
        parser.add_argument(
            f'--{side}',
            nargs='+',
            action='extend',
            type=bound,
            default=[],
            metavar='COST=VALUE',
            help=f'costs are at {word} that, instead of what the config says: macs=3e9',
        )
    parser.add_argument(
        '--from',
        dest='known',
        metavar='DIR',
        help='work dir of an earlier search: show its front under the bounds, evaluate nothing',
    )
    parser.add_argument(
        '--extend',
        action='store_true',
        help='with --from: go on from there; what is known is not evaluated again',
    )
    parser.add_argument(
        '--advise',
        type=int,
        nargs='?',
        const=16,
        metavar='N',
        help='measure N candidates in cheaper ways, and say which keep their order (%(const)s); '
        'no search',
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
    parser.add_argument(
        '--tensorboard',
        action='store_true',
        help='log the course of the search for TensorBoard, to the work dir',
    )
    common.add_run_arguments(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    cfg = common.load_config(args)
    low, high = dict(args.low), dict(args.high)
    if args.advise is not None:
        allowed = ('work-dir', 'skip-data-check')
        check_alone(args, 'and --advise only measures, in this process: leave one out', allowed)
        apis.advise(cfg, args.advise, skip_data_check=args.skip_data_check, low=low, high=high)
        return
    if args.extend and not args.known:
        raise UsageError('--extend goes on from an earlier search: give its work dir, --from DIR')
    if args.known and not args.extend:
        said = 'and --from evaluates nothing: leave it out, or give --extend too'
        check_alone(args, said, ['from'])
        show(apis.reconsider(cfg, args.known, low=low, high=high), args.known)
        return
    apis.run_search(
        cfg,
        resume=args.resume,
        workers=args.workers,
        dask=args.dask,
        skip_data_check=args.skip_data_check,
        time_limit=args.time_limit,
        low=low,
        high=high,
        known=args.known,
        tensorboard=args.tensorboard,
    )


def check_alone(args: argparse.Namespace, said: str, allowed: Collection[str]) -> None:
    """Check that no flag of a search is given where there is none.

    Args:
        said: what there is instead, for the message.
        allowed: flags that have a meaning all the same.

    Raises:
        UsageError: names the first flag that would not be followed.
    """
    given = {
        'resume': args.resume,
        'workers': args.workers != 1,
        'dask': args.dask,
        'extend': args.extend,
        'tensorboard': args.tensorboard,
        'from': args.known,
        'time-limit': args.time_limit is not None,
        'work-dir': args.work_dir,
        'skip-data-check': args.skip_data_check,
        'launcher': args.launcher != 'none',
    }
    for flag in (flag for flag, is_given in given.items() if is_given and flag not in allowed):
        raise UsageError(f'--{flag} is of a search, {said}')


def show(found: apis.Reconsidered, folder: str) -> None:
    """Print an earlier search under other bounds."""
    console = PlainConsole()
    budget = ', '.join(map(str, found.problem.constraints)) or 'no bound'
    console.print(f'{folder}: {len(found.records)} candidates within {budget}', markup=False)
    if found.front:
        console.print(front_table(found.problem, found.front))
    console.print('\n'.join(found.words()), markup=False)
    console.print('to evaluate what is missing: the same command with --extend --work-dir NEW')


def bound(text: str) -> tuple[str, float]:
    """Read ``macs=3e9``."""
    name, _, value = text.partition('=')
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r}: expected COST=VALUE, as in macs=3e9') from None
