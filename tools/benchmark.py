"""Latency and peak memory of a config's model, by PyTorch and by onnxruntime.

    python tools/benchmark.py configs/seg/nasvit_ade20k.py [--shape 512 512] [--threads 2]

For any segmentor and detector of this project, of mmseg and of mmdet; of a detector what its heads
say, before boxes are chosen.  Both run the same network on the same picture, and their logits are
compared.  On a GPU PyTorch only.

    python tools/benchmark.py configs/search/nasvit_ade20k_5g.py --build-table latency.json

measures, once on this device, the blocks of a whole search space inside the task's model (CONFIG: a
search's, or a segmentation config with a backbone of this project), and says how well the table
predicts networks it has not seen, and how well their measurement repeats itself.  A search with
latency = 'latency.json' in its config then has the metric 'latency', in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import _common  # first: it makes the OpenMMLab packages importable
import numpy as np
import torch
from mmengine.config import Config
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from nasvit_mm.checkpoints import check_checkpoint_exists
from nasvit_mm.dense import build_model, count_model, load_weights
from nasvit_mm.deploy import Logits, PeakMemory, build_latency_table, export_onnx, measure_seconds
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import disk_errors
from nasvit_mm.search import read_task

UNSEEN = 30  # networks to check a latency table by
BACKENDS = ('pytorch', 'compile', 'onnxruntime')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='file of configs/')
    parser.add_argument('--checkpoint', help='weights; speed does not depend on them')
    _common.add_shape(parser)
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument(
        '--backends',
        nargs='+',
        choices=BACKENDS,
        help='what to run (pytorch and, on a CPU, onnxruntime)',
    )
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--threads', type=int, help='CPU threads (torch decides)')
    parser.add_argument('--rounds', type=int, default=20, help='timed calls (%(default)s)')
    parser.add_argument('--channels-last', action='store_true', help="PyTorch's memory format")
    parser.add_argument('--half', action='store_true', help='half precision, on a GPU')
    parser.add_argument('--onnx', metavar='FILE', help='keep the exported graph there')
    parser.add_argument('--build-table', metavar='FILE', help='a latency table for searches')
    parser.add_argument(
        '--networks',
        type=int,
        default=64,
        metavar='N',
        help='that the table is built from (%(default)s)',
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    _common.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    check(args)
    cfg = _common.load_config(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.build_table:
        build_table(args, cfg)
        return
    _common.check_model(args.config, cfg)
    size = _common.input_size(args, cfg)
    model = build_model(cfg)
    if args.checkpoint:
        check_checkpoint_exists(args.checkpoint)
        load_weights(model, args.checkpoint, cfg)
    cost = count_model(model, size)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(args.batch_size, 3, *size, generator=generator)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        calls = {}
        if 'onnxruntime' in args.backends:
            path = Path(args.onnx or Path(folder, 'model.onnx'))
            calls['onnxruntime'] = onnxruntime_call(model, size, pictures, path)
        model = Logits(model, size).to(args.device)
        if args.half:
            model, pictures = model.half(), pictures.half()
        pictures = pictures.to(args.device)
        if args.channels_last:
            model = model.to(memory_format=torch.channels_last)
            pictures = pictures.to(memory_format=torch.channels_last)
        if 'pytorch' in args.backends:
            calls['pytorch'] = lambda: model(pictures)
        if 'compile' in args.backends:
            compiled = torch.compile(model)
            calls['compile'] = lambda: compiled(pictures)
        memory, outputs = {}, {}
        for name, call in calls.items():
            with PeakMemory(args.device) as peak:
                outputs[name] = torch.as_tensor(call()).float().cpu()
            memory[name] = peak.above
        # One after the other, not in turn: threads of either runtime spin for a while after a call.
        seconds = {
            name: measure_seconds({name: call}, args.rounds)[name] for name, call in calls.items()
        }
    first, *others = outputs.values()
    difference = max((float((o - first).abs().max() / first.std()) for o in others), default=None)
    report = dict(
        config=args.config,
        input_size=size,
        batch_size=args.batch_size,
        device=device_name(args),
        threads=torch.get_num_threads(),
        total_macs=cost.total_macs,
        total_params=cost.total_params,
        difference=difference,
        backends={
            name: dict(
                median_ms=1e3 * float(np.median(seconds[name])),
                p10_ms=1e3 * float(np.quantile(seconds[name], 0.1)),
                p90_ms=1e3 * float(np.quantile(seconds[name], 0.9)),
                peak_memory_mib=memory[name] / 2**20,
            )
            for name in calls
        },
    )
    show(report, args)


def check(args: argparse.Namespace) -> None:
    """Mistakes in the arguments."""
    on_gpu = args.device.startswith('cuda')
    if on_gpu and not torch.cuda.is_available():
        raise UsageError(f'--device {args.device}: torch sees no GPU here')
    if args.half and not on_gpu:
        raise UsageError('--half needs a GPU')
    for name in ('batch_size', 'rounds', 'networks', 'threads'):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UsageError(f'--{name.replace("_", "-")} {value}: expected at least 1')
    if args.build_table:
        for name in ('half', 'channels_last', 'backends', 'json', 'onnx', 'checkpoint'):
            if getattr(args, name):
                raise UsageError(
                    f'--{name.replace("_", "-")} does not go with '
                    '--build-table, which times blocks by PyTorch in float32'
                )
        check_writable(args.build_table)
        return
    if args.backends is None:
        args.backends = ['pytorch'] if on_gpu else ['pytorch', 'onnxruntime']
    elif on_gpu and 'onnxruntime' in args.backends:
        raise UsageError('onnxruntime is measured on a CPU only: --device cpu')
    if 'onnxruntime' in args.backends:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise UsageError(
                f'{error.name} is missing: pip install "nasvit_mm[export]", or leave it out with '
                '--backends pytorch'
            ) from error


def check_writable(path: str) -> None:
    """A table that could not be written would be measured for minutes first."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if Path(path).is_dir():
            raise IsADirectoryError(f'{path} is a folder')
        with tempfile.TemporaryFile(dir=Path(path).parent):
            pass
    except OSError as error:
        raise UsageError(f'--build-table {path}: cannot be written: {error}') from error


def onnxruntime_call(
    model: torch.nn.Module, size: tuple[int, int], pictures: torch.Tensor, path: Path
) -> Any:
    """A call of the exported network."""
    import onnxruntime

    export_onnx(model, size, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    feed = {session.get_inputs()[0].name: pictures.numpy()}
    return lambda: session.run(None, feed)[0]


def build_table(args: argparse.Namespace, cfg: Config) -> None:
    """Measure the blocks of a space, write the table, say how good it is."""
    task, size = read_task(cfg, args.config)
    if args.shape or size is None:
        size = _common.input_size(args, task.cfg)
    with Progress(console=Console(stderr=True)) as bar:
        shown = bar.add_task('networks')
        table = build_latency_table(
            task,
            size,
            args.device,
            args.networks,
            UNSEEN,
            args.rounds,
            args.batch_size,
            lambda done, of: bar.update(shown, completed=done, total=of),
        )
    with disk_errors(str(Path(args.build_table).parent)):
        table.save(args.build_table)
    print(
        f'{args.build_table}: {len(table.blocks)} blocks of {task.space.name} at {size[0]} x '
        f'{size[1]} on {table.about["device"]}, {table.about["threads"]} threads'
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
    console = Console()
    console.print(out)
    console.print(
        f'{report["total_macs"] / 1e9:.2f} GMACs, {report["total_params"] / 1e6:.2f} M '
        f'parameters, {args.rounds} rounds; memory above the loaded model'
    )
    if report['difference'] is not None:
        console.print(f'largest difference of logits over their spread: {report["difference"]:.1e}')


if __name__ == '__main__':
    _common.run(main)
