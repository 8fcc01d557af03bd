"""Measure latency and peak memory of a config's model, by PyTorch and by onnxruntime.

    nasvit-mm benchmark configs/seg/nasvit_ade20k.py [--shape 512 512] [--threads 2]

    nasvit-mm benchmark work_dirs/deployed work_dirs/deployed_int8     # artefacts, in one run

times what nasvit-mm deploy wrote, each by its own runtime, in turn, and writes the latency on its
card.

For any segmentor and detector of this project, of mmseg and of mmdet; of a detector what its heads
say, before boxes are chosen.  Both run the same network on the same image, and their logits are
compared.  On a GPU PyTorch only.

    nasvit-mm benchmark configs/search/nasvit_ade20k_5g_search.py --build-table latency.json
    nasvit-mm benchmark CONFIG --build-table FILE --runtime openvino --precision int8 --threads 4

measures, once on this device, the blocks of a whole search space by PyTorch inside the task's
model, or by a runtime (CONFIG: a search's, or a segmentation config with a backbone of this
project), and says how well the table predicts networks it has not seen, how well their measurement
repeats itself, and whether a search may go by it.  A search with latency = 'latency.json' in its
config then has the metric 'latency', in milliseconds.

Another device needs neither this package nor PyTorch:

    nasvit-mm benchmark CONFIG --write-kit DIR --runtime onnx
    python DIR/time_networks.py --threads 4                       # there; numpy and onnxruntime
    nasvit-mm benchmark CONFIG --build-table FILE --read-times times.json
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.table import Table

from nasvit_mm.checkpoints import check_checkpoint_exists
from nasvit_mm.cli import common, latency
from nasvit_mm.compat import import_onnxruntime
from nasvit_mm.dense import build_model, check_model, count_model, input_size, load_weights
from nasvit_mm.deploy import (
    BACKENDS,
    FITTED,
    PRECISIONS,
    RUNTIMES,
    benchmark_model,
    missing_package,
    record,
    time_artefacts,
)
from nasvit_mm.errors import UsageError, printable
from nasvit_mm.runtime import PlainConsole

MOST_THREADS = 4  # a core
OF_CONFIGS = (
    'checkpoint',
    'shape',
    'backends',
    'channels_last',
    'half',
    'onnx',
    'build_table',
    'runtime',
    'precision',
    'write_kit',
    'read_times',
    'networks',
    'cfg_options',
)  # flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'config', nargs='+', help='file of configs/, or artefacts of nasvit-mm deploy'
    )
    parser.add_argument('--checkpoint', help='weights; speed does not depend on them')
    common.add_shape(parser)
    parser.add_argument('--batch-size', type=int, help="images at once (1, or an artefact's own)")
    parser.add_argument(
        '--backends',
        nargs='+',
        choices=BACKENDS,
        help='what to run (pytorch and, on a CPU, onnxruntime)',
    )
    parser.add_argument(
        '--device',
        help="cpu, cuda:0 (what there is); of artefacts as the runtime names it: OpenVINO's GPU, "
        "onnxruntime's TensorrtExecutionProvider (cpu)",
    )
    parser.add_argument('--threads', type=int, help='CPU threads (torch decides)')
    parser.add_argument('--rounds', type=int, default=20, help='timed calls (%(default)s)')
    parser.add_argument('--channels-last', action='store_true', help="PyTorch's memory format")
    parser.add_argument('--half', action='store_true', help='half precision, on a GPU')
    parser.add_argument('--onnx', metavar='FILE', help='keep the exported graph there')
    parser.add_argument('--build-table', metavar='FILE', help='a latency table for searches')
    parser.add_argument(
        '--runtime', metavar='NAME', help=f'of the table: {", ".join(RUNTIMES)} (torch)'
    )
    parser.add_argument(
        '--precision', choices=PRECISIONS, help='of the table, as the runtime has it (fp32)'
    )
    parser.add_argument(
        '--write-kit', metavar='DIR', help='write what another device times for a table'
    )
    parser.add_argument(
        '--read-times', metavar='FILE', help='build the table from what a kit measured'
    )
    parser.add_argument(
        '--networks',
        type=int,
        metavar='N',
        help=f'that the table is built from (by PyTorch {latency.IN_TORCH}, else {FITTED})',
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    common.add_cfg_options(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    if any(Path(path).is_dir() for path in args.config):
        time_folders(args)
        return
    if len(args.config) > 1:
        raise UsageError(
            f'{" ".join(args.config)}: one config at a time; several artefacts are folders'
        )
    (args.config,) = args.config
    check(args)
    cfg = common.load_config(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.write_kit or args.build_table:
        latency.make(args, cfg)
        return
    check_model(cfg)
    size = input_size(cfg, args.shape)
    check_memory(args.batch_size, size)
    model = build_model(cfg)
    if args.checkpoint:
        check_checkpoint_exists(args.checkpoint)
        load_weights(model, args.checkpoint, cfg)
    cost = count_model(model, size)
    with memory_errors(args.batch_size, size):
        measured = benchmark_model(
            model,
            size,
            args.backends,
            batch_size=args.batch_size,
            rounds=args.rounds,
            device=args.device,
            channels_last=args.channels_last,
            half=args.half,
            onnx=args.onnx,
        )
    report = dict(
        config=args.config,
        input_size=size,
        batch_size=args.batch_size,
        device=device_name(args),
        threads=torch.get_num_threads(),
        total_macs=cost.total_macs,
        total_params=cost.total_params,
        **measured,
    )
    show(report, args)
    if args.onnx and 'onnxruntime' in report['failed']:
        raise UsageError(f'--onnx {args.onnx} was not written: {report["failed"]["onnxruntime"]}')


def time_folders(args: argparse.Namespace) -> None:
    """Time artefacts beside one another, and write what each takes on its card.

    Raises:
        UsageError: no artefacts, or a flag that is of configs.
    """
    for name in OF_CONFIGS:
        if getattr(args, name):
            raise UsageError(
                f'--{name.replace("_", "-")} is of configs; an artefact has its size, weights and '
                'runtime: leave it out'
            )
    check_threads(args)
    device = args.device or 'cpu'
    timed = time_artefacts(args.config, args.rounds, args.threads, device, args.batch_size)
    out = Table(title=f'{timed[0]["device"]}, {timed[0]["threads"]} threads, {args.rounds} rounds')
    for column in ('artefact', 'runtime', 'input', 'median', '10 to 90 %', 'ratio'):
        out.add_column(column, justify='left' if column in ('artefact', 'runtime') else 'right')
    lines = []
    for row in timed:
        artefact = row.pop('artefact')
        height, width = artefact.size
        out.add_row(
            printable(str(artefact.folder)),
            f'{artefact.runtime} {artefact.precision}',
            f'{row["batch"]} x {height} x {width}',
            f'{row["median_ms"]:.1f} ms',
            f'{row["p10_ms"]:.1f} to {row["p90_ms"]:.1f} ms',
            f'{row["ratio"]:.2f}',
        )
        lines.append(dict(folder=str(artefact.folder), **row))
        row.pop('ratio')
        record(artefact, dict(latency=row))
    if args.json:
        print(json.dumps(lines))
    else:
        PlainConsole().print(out)


def check_threads(args: argparse.Namespace) -> None:
    """Check the numbers that all benchmarks take.

    Raises:
        UsageError: names the flag.
    """
    for name in ('batch_size', 'rounds', 'networks', 'threads'):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UsageError(f'--{name.replace("_", "-")} {value}: expected at least 1')
    cores = os.cpu_count() or 1
    if args.threads and args.threads > MOST_THREADS * cores:
        raise UsageError(
            f'--threads {args.threads}: this machine has {cores} cores, expected at most '
            f'{MOST_THREADS * cores}'
        )


def check(args: argparse.Namespace) -> None:
    """Check the arguments, and choose the backends.

    Raises:
        UsageError: names the flag.
    """
    check_threads(args)
    torch_runs = not args.write_kit and args.runtime in (None, 'torch')
    args.batch_size = args.batch_size or 1
    args.device = args.device or ('cuda' if torch_runs and torch.cuda.is_available() else 'cpu')
    common.check_device(args.device)
    on_gpu = args.device.startswith('cuda')
    if args.half and not on_gpu:
        raise UsageError('--half needs a GPU')
    if args.onnx:
        common.check_writable(args.onnx, '--onnx')
    if args.build_table or args.write_kit:
        latency.check(args)
        return
    for name in ('runtime', 'precision', 'read_times', 'networks'):
        if getattr(args, name):
            raise UsageError(
                f'--{name.replace("_", "-")} is of a latency table: --build-table FILE'
            )
    if args.backends is None:
        args.backends = ['pytorch'] if on_gpu else ['pytorch', 'onnxruntime']
    elif on_gpu and 'onnxruntime' in args.backends:
        raise UsageError('onnxruntime is measured on a CPU only: --device cpu')
    if 'onnxruntime' in args.backends:
        missing = missing_package('onnx', 'onnxscript')
        try:
            import_onnxruntime()
        except ImportError as error:
            missing = missing or error.name
        if missing:
            raise UsageError(
                f'{missing} is missing: pip install "nasvit_mm[deploy]", or leave it out with '
                '--backends pytorch'
            )


def check_memory(batch_size: int, size: tuple[int, int]) -> None:
    """Check that a batch fits into the memory of this machine, which would end the process.

    Raises:
        UsageError: names the batch and the memory.
    """
    needed = batch_size * 3 * size[0] * size[1] * 4  # bytes
    there = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    if needed > there:
        raise UsageError(
            f'a batch of {batch_size} images of {size[0]} x {size[1]} takes {needed / 2**30:.0f} '
            f'GiB, of which this machine has {there / 2**30:.0f}: give a smaller --batch-size or '
            '--shape'
        )


@contextmanager
def memory_errors(batch_size: int, size: tuple[int, int]) -> Iterator[None]:
    """Turn a lack of memory into an error that names the batch.

    Raises:
        UsageError: torch could not allocate what the batch needs.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        if isinstance(error, RuntimeError) and not ('memory' in text and 'alloc' in text):
            raise
        raise UsageError(
            f'a batch of {batch_size} images of {size[0]} x {size[1]} does not fit into memory: '
            'give a smaller --batch-size or --shape'
        ) from error


def device_name(args: argparse.Namespace) -> str:
    if args.device.startswith('cuda'):
        return torch.cuda.get_device_name(args.device)
    return 'cpu'


def show(report: dict, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(report))
        return
    height, width = report['input_size']
    out = Table(
        title=f'{args.config}, {args.batch_size} x {height} x {width}, '
        f'{report["device"]}, {report["threads"]} threads'
    )
    for column in ('backend', 'median', '10 to 90 %', 'peak memory'):
        out.add_column(column, justify='left' if column == 'backend' else 'right')
    for name, row in report['backends'].items():
        out.add_row(
            name,
            f'{row["median_ms"]:.1f} ms',
            f'{row["p10_ms"]:.1f} to {row["p90_ms"]:.1f} ms',
            f'{row["peak_memory_mib"]:.0f} MiB',
        )
    console = PlainConsole()
    console.print(out)
    console.print(
        f'{report["total_macs"] / 1e9:.2f} GMACs, {report["total_params"] / 1e6:.2f} M '
        f'parameters, {args.rounds} rounds; memory above the loaded model'
    )
    for name, reason in report['failed'].items():
        console.print(f'{name}: {reason}', soft_wrap=True)
    if report['difference'] is not None:
        console.print(f'largest difference of logits over their spread: {report["difference"]:.1e}')
