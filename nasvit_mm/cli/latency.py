"""Latency tables for ``nasvit-mm benchmark``: measure one, write a kit, read its times."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
from mmengine.config import Config
from rich.progress import Progress

from nasvit_mm.cli import common
from nasvit_mm.dense import SearchedModel, input_size
from nasvit_mm.deploy import (
    FITTED,
    KITS,
    LatencyTable,
    build_latency_table,
    build_runtime_table,
    get_runtime,
    read_times,
    write_kit,
)
from nasvit_mm.errors import UsageError, shown_path, unknown
from nasvit_mm.runtime import PlainConsole, check_folder

EVERY = 15  # seconds between two lines of progress where there is no terminal
UNSEEN = 30  # networks to check a latency table by
IN_TORCH = 64  # networks that a table by PyTorch is built from


def check(args: argparse.Namespace) -> None:
    """Check the flags of a latency table or kit.

    Raises:
        UsageError: names the flag.
    """
    for name in ('half', 'channels_last', 'backends', 'json', 'onnx', 'checkpoint'):
        if getattr(args, name):
            raise UsageError(
                f'--{name.replace("_", "-")} does not go with --build-table and --write-kit; '
                '--runtime and --precision say what networks run by'
            )
    if args.read_times:
        for name in ('write_kit', 'runtime', 'precision', 'threads', 'networks'):
            if getattr(args, name):
                raise UsageError(
                    f'--{name.replace("_", "-")} does not go with --read-times, whose kit says it'
                )
    if args.write_kit:
        if args.build_table:
            raise UsageError(
                '--write-kit comes first: --build-table takes what the kit measured, by '
                '--read-times'
            )
        if args.runtime not in KITS:
            raise UsageError(
                unknown('--runtime', args.runtime, KITS) + '; a kit is timed without PyTorch'
            )
        if Path(args.write_kit).exists() and any(Path(args.write_kit).iterdir()):
            raise UsageError(f'--write-kit {shown_path(args.write_kit)} is not empty: give another')
        check_folder(Path(args.write_kit).parent, '--write-kit')
        return
    get_runtime(args.runtime or 'torch').check_precision(args.precision or 'fp32')
    common.check_writable(args.build_table, '--build-table')


def make(args: argparse.Namespace, cfg: Config) -> None:
    """Measure the blocks of a space, write the table, say how good it is; or write the kit."""
    from nasvit_mm.search import read_task  # of this one option

    task, size = read_task(cfg, args.config)
    if args.shape or size is None:
        size = input_size(task.cfg, args.shape)
    if args.read_times:
        table = read_times(args.read_times, task, size)
    else:
        with Progress(console=PlainConsole(stderr=True)) as bar:
            table = _measured(args, task, size, bar)
    if table is None:
        print(
            f'{args.write_kit}: copy it to the device, there run python time_networks.py, then '
            f'here nasvit-mm benchmark {args.config} --build-table FILE --read-times times.json'
        )
        return
    table.save(args.build_table)
    about = table.about
    print(
        f'{args.build_table}: {len(table.blocks)} blocks of {task.space.name} at {size[0]} x '
        f'{size[1]} by {about["runtime"]} {about["version"]} in {about["precision"]} on '
        f'{about["device"]}, {about["threads"]} threads'
    )
    if 'artefact_ms' in about:
        print(
            f'An artefact takes {about["artefact_ms"]:.2f} ms more than its network, from bytes '
            'and to its answer: the table counts them'
        )
    if not table.check:
        print('The space has no network that the table has not seen: nothing to check it by')
        return
    print(
        f'{table.check["networks"]} networks it has not seen: Kendall tau '
        f'{table.check["kendall_tau"]:.2f}, mean error {table.check["mean_error"]:.1%}; of two '
        f'measurements of them, {table.check["repeat_tau"]:.2f} and '
        f'{table.check["repeat_error"]:.1%}'
    )
    print(f'Verdict: {table.verdict}')


def _measured(
    args: argparse.Namespace, task: SearchedModel, size: tuple[int, int], bar: Progress
) -> LatencyTable | None:
    """Measure a table, or write a kit and return None."""
    shown, due = bar.add_task('networks'), time.monotonic() + EVERY

    def show(done: int, of: int) -> None:
        nonlocal due
        bar.update(shown, completed=done, total=of)
        if not bar.console.is_terminal and time.monotonic() >= due:
            print(f'networks: {done} of {of}', file=sys.stderr, flush=True)
            due = time.monotonic() + EVERY

    runtime, precision = args.runtime or 'torch', args.precision or 'fp32'
    if args.write_kit:
        write_kit(
            task,
            size,
            args.write_kit,
            runtime,
            precision,
            args.networks or FITTED,
            UNSEEN,
            args.batch_size,
            show,
        )
        return None
    if runtime == 'torch':
        return build_latency_table(
            task,
            size,
            args.device,
            args.networks or IN_TORCH,
            UNSEEN,
            args.rounds,
            args.batch_size,
            show,
        )
    if args.device != 'cpu':
        raise UsageError(f'--device {args.device}: the table of {runtime} is of the CPU')
    return build_runtime_table(
        task,
        size,
        runtime,
        precision,
        args.threads or torch.get_num_threads(),
        args.rounds,
        args.networks or FITTED,
        UNSEEN,
        args.batch_size,
        show,
    )
