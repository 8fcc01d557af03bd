"""What is to be known of a card in eight minutes: is it right, how fast is it, what does it hold.

    python benchmarks/gpu.py --out gpu.json              # all parts, on the GPU
    python benchmarks/gpu.py --out gpu.json step dense   # some
    python benchmarks/gpu.py --out gpu.json --small      # minutes of a CPU: that the script runs

Every row is written as soon as it stands; the same command goes on after the parts that are done.
A part that fails is a line of the table, and is tried again the next time.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torch.nn.functional as F
from _runs import ROOT
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from rich.table import Table

from nasvit_mm import get_space
from nasvit_mm.data import seed_everything
from nasvit_mm.dense import build_model
from nasvit_mm.deploy import PeakMemory, build_latency_table, device_name, measure_seconds
from nasvit_mm.errors import first_line
from nasvit_mm.family import FAMILIES
from nasvit_mm.files import write_text
from nasvit_mm.nn import ElasticTokenNorm, Span, attend
from nasvit_mm.registry import MODELS
from nasvit_mm.runtime import PlainConsole, read_config
from nasvit_mm.search import read_task
from nasvit_mm.spaces import Space

HALVES = dict(fp16=torch.float16, bf16=torch.bfloat16)
NAMED = dict(
    nasvit='nasvit_like_421m',
    elasticvit='elastic_L2',
    vitas_deit_block='vitas_c',
    vitas_twins='twins_svt_small',
)
DETECTION = (800, 1344)
Rows = Iterator[tuple[str, Any]]
PARTS: dict[str, tuple[float, Callable[[Bench], Rows]]] = {}


def part(seconds: float) -> Callable:
    """Register a generator of rows: between two of them it is left when its time is over."""

    def register(function: Callable[[Bench], Rows]) -> Callable:
        PARTS[function.__name__] = seconds, function
        return function

    return register


class Bench:
    """A device, and the sizes of what runs on it."""

    def __init__(self, device: str, small: bool) -> None:
        self.device, self.small = torch.device(device), small
        self.cuda = self.device.type == 'cuda'
        self.side, self.batch = (64, 2) if small else (224, 64)
        self.rounds = 1 if small else 10

    @property
    def halves(self) -> Mapping[str, torch.dtype]:
        return HALVES if self.cuda else dict(bf16=torch.bfloat16)

    def autocast(self, kind: torch.dtype | None) -> AbstractContextManager:
        return torch.autocast(self.device.type, kind) if kind else nullcontext()

    def milliseconds(self, calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
        """Return the median of each call; with gradients, as ``inference_mode`` would end them."""

        def graded(call: Callable[[], Any]) -> Callable[[], Any]:
            def run() -> None:
                with torch.inference_mode(False), torch.enable_grad():
                    call()

            return run

        warmup = 1 if self.small else 3
        found = measure_seconds(
            {name: graded(call) for name, call in calls.items()}, self.rounds, warmup, self.device
        )
        return {name: round(1e3 * float(np.median(times)), 2) for name, times in found.items()}

    def gib(self, call: Callable[[], Any]) -> float:
        with PeakMemory(self.device) as peak:
            call()
        return round(peak.above / 2**30, 3)


# ------------------------------------------------------------------ what runs
def space_of(bench: Bench) -> Space:
    """Return NASViT's space, in small form one of four blocks."""
    if not bench.small:
        return get_space('nasvit')
    space = get_space('vitas_deit_small')
    heads = space.field('heads').choices  # the first of each is no block
    return space.restrict(
        heads=[c[1:2] if i < 4 else c[:1] for i, c in enumerate(heads)],
        width=space.field('width').choices[0][:2],
        patch_size=(32,),
    )


def supernet(bench: Bench, num_random: int = 2, **preprocessor: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    model = dict(
        type='nasvit_mm.ImageClassifier',
        space=space_of(bench).to_dict(),
        data_preprocessor=dict(type='nasvit_mm.ClassificationPreprocessor', **preprocessor),
    )
    cfg = dict(
        type='nasvit_mm.Supernet',
        model=model,
        sampler=dict(type='sandwich', num_random=min(num_random, 1) if bench.small else num_random),
        conflict=dict(rule='project'),
        distill=dict(sampled='largest', smallest='largest'),
        clip_grad=1.0,
        log_cosine=0,
    )
    return MODELS.build(cfg).train().to(bench.device)


def optimizer_of(bench: Bench, net: torch.nn.Module, precision: str = 'fp32') -> OptimWrapper:
    """Return AdamW's wrapper; mixed precision is of a GPU only."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    if precision == 'fp32' or not bench.cuda:
        return OptimWrapper(optimizer)
    scale = 'dynamic' if precision == 'fp16' else 1.0
    kind = str(HALVES[precision]).removeprefix('torch.')
    return AmpOptimWrapper(optimizer=optimizer, dtype=kind, loss_scale=scale)


def images(bench: Bench, number: int | None = None) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    number = number or bench.batch
    return dict(
        inputs=torch.randn(number, 3, bench.side, bench.side, generator=generator),
        labels=torch.randint(0, 1000, (number,), generator=generator),
    )


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    backends = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = on
        yield
    finally:
        for backend, value in zip(backends, before):
            backend.allow_tf32 = value


def far(found: Iterable[torch.Tensor], right: Iterable[torch.Tensor]) -> float:
    """Return the largest distance of tensors over the length of the right ones."""
    pairs = [(a.detach().double().cpu(), b.detach().double().cpu()) for a, b in zip(found, right)]
    return float(f'{max(float((a - b).norm() / b.norm().clamp_min(1e-30)) for a, b in pairs):.2e}')


# ------------------------------------------------------------------ parts
@part(60)
def parity(bench: Bench) -> Rows:
    """Features and gradients beside those of the CPU in float32, relative: {maps, gradients}."""
    kinds = dict(fp32=(None, False), tf32=(None, True)) if bench.cuda else dict(fp32=(None, False))
    kinds |= {name: (kind, False) for name, kind in bench.halves.items()}
    for space in NAMED:
        torch.manual_seed(0)
        net = FAMILIES[space].part('backbone')(get_space(space).smallest, space).train()
        twin = copy.deepcopy(net).to(bench.device)
        x = torch.randn(2, 3, *((64, 96) if bench.small else (203, 297)))

        def run(net: torch.nn.Module, kind: torch.dtype | None, x: torch.Tensor = x) -> tuple:
            net.zero_grad()
            device = next(net.parameters()).device
            with torch.autocast(device.type, kind) if kind else nullcontext():
                maps = [m.float() for m in net(x.to(device))]
            sum(m.square().mean() for m in maps).backward()
            return maps, [torch.cat([p.grad.flatten() for p in net.parameters()])]

        right = run(net, None)
        for name, (kind, on) in kinds.items():
            with tf32(on):
                found = run(twin, kind)
            distances = [far(a, b) for a, b in zip(found, right)]
            yield f'{space} {name}', dict(zip(('maps', 'gradients'), distances))


@part(40)
def resume(bench: Bench) -> Rows:
    """Whether a run of some steps and one that was stopped in their middle end in equal bits."""
    steps, data = (1, images(bench, 2)) if bench.small else (3, images(bench, 16))

    def train(start: int, stop: int, state: tuple | None = None) -> tuple:
        net = supernet(bench)
        optimizer = optimizer_of(bench, net)
        if state:
            net.load_state_dict(state[0])
            optimizer.load_state_dict(copy.deepcopy(state[1]))
        net.step = start
        for step in range(start, stop):
            seed_everything(0, step)
            net.train_step(data, optimizer)
        return copy.deepcopy(net.state_dict()), copy.deepcopy(optimizer.state_dict())

    for deterministic in (True, False):
        torch.use_deterministic_algorithms(deterministic)
        try:
            whole, half = train(0, 2 * steps)[0], train(0, steps)
            rest = train(steps, 2 * steps, half)[0]
        finally:
            torch.use_deterministic_algorithms(False)
        equal = all(torch.equal(value, rest[key]) for key, value in whole.items())
        yield f'equal bits, deterministic={deterministic}', equal


@part(100)
def step(bench: Bench) -> Rows:
    """A supernet's step beside one of resnet50, in turn: images a second, their ratio, memory."""
    data = images(bench)
    resnet = timm.create_model('resnet18' if bench.small else 'resnet50').train().to(bench.device)
    adam, here = (
        torch.optim.AdamW(resnet.parameters(), lr=1e-4),
        {key: value.to(bench.device) for key, value in data.items()},
    )
    for precision in ('fp32', *(bench.halves if bench.cuda else ())):
        for last in (False, True):
            net = supernet(bench, channels_last=last)
            optimizer = optimizer_of(bench, net, precision)

            def theirs(precision: str = precision, last: bool = last) -> None:
                adam.zero_grad()
                layout = torch.channels_last if last else torch.contiguous_format
                with bench.autocast(HALVES.get(precision)):
                    logits = resnet(here['inputs'].contiguous(memory_format=layout))
                    loss = F.cross_entropy(logits, here['labels'])
                loss.backward()
                adam.step()

            def ours(net: Any = net, optimizer: Any = optimizer) -> None:
                net.train_step(data, optimizer)

            memory = bench.gib(ours)
            found = bench.milliseconds(dict(ours=ours, resnet=theirs))
            yield (
                f'{precision}{", channels last" if last else ""}',
                dict(
                    images_a_second=round(1e3 * bench.batch / found['ours']),
                    of_resnet=round(1e3 * bench.batch / found['resnet']),
                    ratio=round(found['ours'] / found['resnet'], 2),
                    gib=memory,
                ),
            )


@part(60)
def half(bench: Bench) -> Rows:
    """Steps in mixed precision: a loss that is not finite would end them; what the scaler skips."""
    number, data = (2, images(bench, 2)) if bench.small else (200, images(bench, 16))
    for precision in bench.halves:
        net, skipped, losses = supernet(bench), 0, []
        optimizer = optimizer_of(bench, net, precision)
        for _ in range(number):
            losses.append(float(net.train_step(data, optimizer)['loss_largest']))
            skipped += net._skipped > 0
        yield f'{precision}, {number} steps', dict(skipped=skipped, loss=[losses[0], losses[-1]])


@part(60)
def dense(bench: Bench) -> Rows:
    """Backbones at a detector's size: ms and GiB of a forward, and of training with two images."""
    size = (64, 96) if bench.small else DETECTION
    for space, arch in NAMED.items():
        arch = 'smallest' if bench.small else arch
        for precision in ('fp32', *bench.halves):
            kind = HALVES.get(precision)
            net = FAMILIES[space].part('backbone')(get_space(space).arch(arch), space)
            net = net.to(bench.device)
            x = torch.randn(2, 3, *size, device=bench.device)

            @torch.no_grad()
            def forward(net: Any = net, x: Any = x, kind: Any = kind) -> None:
                with bench.autocast(kind):
                    net.eval()(x[:1])

            def train(net: Any = net, x: Any = x, kind: Any = kind) -> None:
                net.train().zero_grad()
                with bench.autocast(kind):
                    maps = net(x)
                sum(m.float().mean() for m in maps).backward()

            memory = bench.gib(forward), bench.gib(train)
            found = bench.milliseconds(dict(forward=forward, train=train))
            yield (
                f'{space} {arch} {precision}',
                dict(ms=found['forward'], gib=memory[0], train_ms=found['train'], train=memory[1]),
            )


@part(30)
def dense_step(bench: Bench) -> Rows:
    """A step of a segmentor by its config, two images: ms and GiB, by precision."""
    name = 'demo/nasvit_demo.py' if bench.small else 'seg/nasvit_ade20k.py'
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    cfg = read_config(ROOT / 'configs' / name)
    size, data = ((64, 64) if bench.small else (512, 512)), dict(inputs=[], data_samples=[])
    for _ in range(2):
        sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, *size, dtype=torch.long))
        data['inputs'].append(torch.zeros(3, *size, dtype=torch.uint8))
        data['data_samples'].append(sample)
    cfg.model.data_preprocessor.size = size
    for precision in ('fp32', *(bench.halves if bench.cuda else ())):
        net = build_model(cfg).train().to(bench.device)
        optimizer = optimizer_of(bench, net, precision)

        def train(net: Any = net, optimizer: Any = optimizer) -> None:
            net.train_step(data, optimizer)

        memory = bench.gib(train)
        yield f'{name} {precision}', dict(ms=bench.milliseconds(dict(it=train))['it'], gib=memory)


@part(60)
def latency_table(bench: Bench) -> Rows:
    """A table of block latencies, timed by CUDA events, beside whole networks it has not seen."""
    name = 'demo/nasvit_search.py' if bench.small else 'search/nasvit_ade20k_latency.py'
    path = ROOT / 'configs' / name
    task, size = read_task(read_config(path), str(path))
    size = (64, 64) if bench.small or size is None else size
    networks, unseen, rounds = (1, 2, 1) if bench.small else (24, 12, 5)
    table = build_latency_table(task, size, str(bench.device), networks, unseen, rounds)
    found = {key: round(value, 3) for key, value in table.check.items()}
    yield f'{name} at {size[0]} x {size[1]}', found


@part(20)
def choices(bench: Bench) -> Rows:
    """What was chosen for a GPU without one: ms of it, and of what was not."""
    tokens = 64 if bench.small else DETECTION[0] * DETECTION[1] // 16**2
    norm = ElasticTokenNorm(128).to(bench.device)
    x = torch.randn(2, tokens, 128, device=bench.device, requires_grad=True)

    def by(forward: Callable[[], torch.Tensor]) -> Callable[[], Any]:
        return lambda: torch.autograd.grad(forward().sum(), (x, norm.weight, norm.bias))

    plain = by(lambda: torch.addcmul(norm.bias, F.layer_norm(x, x.shape[1:]), norm.weight))
    moments = by(lambda: norm.by_moments(x, norm.weight, norm.bias))
    yield 'joint norm', bench.milliseconds(dict(by_moments=moments, layer_norm=plain))
    assert far([norm(x, Span.whole(128))], [norm.by_moments(x, norm.weight, norm.bias)]) < 1e-4
    q = torch.randn(2, 2, 256 if bench.small else 16800, 32, device=bench.device)
    k, v = (torch.randn(2, 2, 64 if bench.small else 1050, 32, device=bench.device) for _ in 'kv')
    inputs = [t.requires_grad_() for t in (q, k, v)]  # those of Twins' second stage

    def backward(forward: Callable[..., torch.Tensor]) -> Callable[[], Any]:
        return lambda: torch.autograd.grad(forward(*inputs).sum(), inputs)

    def products(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (q @ k.transpose(2, 3)).softmax(-1) @ v

    calls = dict(chosen=backward(attend), products=backward(products))
    memory = [bench.gib(call) for call in calls.values()]
    yield 'attention', dict(bench.milliseconds(calls), gib=memory)
    weights = [torch.nn.Parameter(torch.ones(64, 64, device=bench.device)) for _ in range(400)]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    one, each = (
        torch.optim.AdamW(groups, lr=1e-4)
        for groups in (weights, [dict(params=[w]) for w in weights])
    )
    yield (
        'AdamW of 400 tensors',
        bench.milliseconds(dict(one_group=one.step, a_group_each=each.step)),
    )


@part(50)
def compiled(bench: Bench) -> Rows:
    """A step of the largest and smallest network, ever more of its blocks compiled: ms.

    And the seconds of the first two steps, which compile; they grow with every kind of subnet.
    """
    data, net = images(bench), supernet(bench, num_random=0)
    optimizer = optimizer_of(bench, net)
    blocks = [m for m in net.modules() if type(m).__name__ == 'TransformerBlock']
    torch._dynamo.config.recompile_limit = 64

    def step() -> None:
        net.train_step(data, optimizer)

    yield 'eager', bench.milliseconds(dict(ms=step))
    for done in range(0, 1 if bench.small else len(blocks), 4):
        for block in blocks[done : done + (1 if bench.small else 4)]:
            block.compile(dynamic=False, backend='eager' if bench.small else 'inductor')
        start = time.perf_counter()
        step(), step()
        first = round(time.perf_counter() - start, 1)
        yield (
            f'{done + 4} of {len(blocks)} blocks',
            dict(bench.milliseconds(dict(ms=step)), s=first),
        )


# ------------------------------------------------------------------ running them
def run_parts(bench: Bench, names: Iterable[str], out: Path) -> dict[str, Any]:
    """Run what is not done, and return all that the file holds then."""
    about = dict(device=device_name(str(bench.device)), torch=torch.__version__, small=bench.small)
    found = json.loads(out.read_text()) if out.is_file() else {}
    if found.get('about') != about:
        found = dict(about=about, parts={})
    for name in names:
        seconds, function = PARTS[name]
        if found['parts'].get(name, {}).get('done'):
            continue
        rows: dict[str, Any] = {}
        result = found['parts'][name] = dict(rows=rows, done=False)
        start = time.perf_counter()
        try:
            for row, value in function(bench):
                rows[row] = value
                print(f'{name}: {row}: {value}', flush=True)
                write_text(out, json.dumps(found, indent=1))
                if time.perf_counter() - start > seconds and not bench.small:
                    rows['left'] = f'after {seconds} s'
                    break
            result['done'] = True
        except Exception as error:  # the other parts are worth their time all the same
            rows['failed'] = f'{type(error).__name__}: {first_line(error)}'
            print(f'{name}: {rows["failed"]}', flush=True)
        result['seconds'] = round(time.perf_counter() - start, 1)
        write_text(out, json.dumps(found, indent=1))
        if bench.cuda:
            torch.cuda.empty_cache()
    return found


def table_of(found: Mapping[str, Any]) -> Table:
    about = found['about']
    table = Table(title=f'{about["device"]}, torch {about["torch"]}')
    for column in ('part', 'what', 'found'):
        table.add_column(column)
    for name, result in found['parts'].items():
        for row, value in result['rows'].items():
            if isinstance(value, dict):
                value = ', '.join(f'{key} {number}' for key, number in value.items())
            table.add_row(name, row, str(value))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'of {", ".join(PARTS)} (all)')
    parser.add_argument('--out', type=Path, required=True, help='JSON that is written, and resumed')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--small', action='store_true', help='few, small networks and one round')
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f'no such part: {", ".join(sorted(unknown))}; there are {", ".join(PARTS)}')
    found = run_parts(Bench(args.device, args.small), args.parts or PARTS, args.out)
    PlainConsole().print(table_of(found))


if __name__ == '__main__':
    main()
