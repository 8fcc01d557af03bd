"""What the processes of a supernet's training send to each other, and what that costs on GPUs.

    python benchmarks/reductions.py

Counted: reductions and bytes of a step, by 2, 4 and 8 processes on the CPU that train small
supernets; all of them must issue the same ones, and end with the same weights.  Calculated, for the
whole supernets and without having seen a GPU: how long a step on 8 and 64 of them waits for
gradients, those of the largest network being reduced beside the other subnets.  What is assumed
for that, the speed of a GPU and of the wires, is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.optim import OptimWrapper

from nasvit_mm import create_model, get_space
from nasvit_mm.cost import count
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import Supernet

CASES = {  # space, whether processes draw subnets of their own
    'nasvit, sandwich': ('nasvit', False),
    'nasvit, each process its own subnets': ('nasvit', True),
    'vitas_twins, sandwich': ('vitas_twins', False),
}
STEPS = 3
GPUS = {8: 200e9, 64: 25e9}  # number -> bytes/s: NVLink in a machine, 200 Gbit/s between eight
RATE = 20e12  # operations per second that a GPU sustains on these small layers
BATCH = 64  # images a GPU


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    for name, (space, own) in CASES.items():
        for number in (2, 4, 8):
            reductions, size = in_processes(number, space, own)
            ring = 2 * (number - 1) / number * size  # what one process sends
            print(
                f'{name}, {number} processes: {reductions} reductions of {size / 1e6:.2f} MB in '
                f'all a step; in a ring each sends {ring / 1e6:.2f} MB'
            )
    print(f'calculated, with {RATE / 1e12:.0f} TFLOP/s and {BATCH} images a GPU:')
    for space in ('nasvit', 'elasticvit', 'vitas_twins'):
        for number, speed in GPUS.items():
            print('   ', calculated(space, number, speed))


def supernet(space: str, own: bool) -> Supernet:
    """A supernet of the first choices of each width, at 32 pixels."""
    space = get_space(space)
    first = {
        f.name: [c[:2] for c in f.choices] if f.positions else f.choices[0][:2]
        for f in space.fields
        if 'width' in f.name
    }
    space = space.restrict(resolution=[32], **first)
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=dict(type='nasvit_mm.ImageClassifier', space=space.to_dict(), num_classes=10),
            sampler=dict(type='sandwich', num_random=2),
            distill=dict(sampled='largest', smallest='largest'),
            rank_draws=own,
        )
    ).train()


def in_processes(number: int, space: str, own: bool) -> tuple[int, int]:
    """Return reductions and bytes of a step of one process.

    Raises:
        AssertionError: the processes differ in them, or in their weights.
    """
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(_train, (number, folder, space, own), nprocs=number, start_method='fork')
        told = [Path(folder, str(rank)).read_text() for rank in range(number)]
    assert len(set(told)) == 1, told
    reductions, size, _ = told[0].split()
    return int(reductions), int(size)


def _train(rank: int, number: int, folder: str, space: str, own: bool) -> None:
    """Be one of the processes; write what a step sends, and a digest of the weights after some."""
    torch.set_num_threads(1)
    dist.init_process_group('gloo', f'file://{folder}/meet', rank=rank, world_size=number)
    sent, reduce = [], dist.all_reduce

    def counted(tensor: torch.Tensor, *args: object, **kwargs: object) -> object:
        sent.append(tensor.numel() * tensor.element_size())
        return reduce(tensor, *args, **kwargs)

    dist.all_reduce = counted
    model = supernet(space, own)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3))
    torch.manual_seed(1 + rank)
    for _ in range(STEPS):
        inputs, labels = torch.randn(4, 3, 32, 32), torch.randint(0, 10, (4,))
        model.train_step(dict(inputs=inputs, labels=labels), wrapper)
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    digest = hashlib.sha256(weights.numpy().tobytes()).hexdigest()
    Path(folder, str(rank)).write_text(f'{len(sent) // STEPS} {sum(sent) // STEPS} {digest}')
    dist.barrier()
    dist.destroy_process_group()


def calculated(space: str, number: int, speed: float) -> str:
    """Say how long a step computes and waits."""
    spaced = get_space(space)
    macs = count(space, [spaced.largest, spaced.smallest, *spaced.sample(0, 200)]).macs
    others = macs[1] + 2 * macs[2:].mean()
    step, beside = (  # a forward, and a backward of twice as much
        3 * 2 * subnets * BATCH / RATE for subnets in (macs[0] + others, others)
    )
    with torch.device('meta'):
        size = 4 * sum(p.numel() for p in create_model(space).parameters())
    once = 2 * (number - 1) / number * size / speed
    before, now = 2 * once, once + max(0.0, once - beside)
    return (
        f'{space}, {number} GPUs at {speed / 1e9:.0f} GB/s: a step of {step * 1e3:.0f} ms, '
        f'{size / 1e6:.0f} MB reduced twice, {once * 1e3:.1f} ms each; it waits '
        f'{now * 1e3:.1f} ms ({before * 1e3:.1f} without overlap): {_efficiency(step, now)} of '
        f'{number} times the images of one ({_efficiency(step, before)})'
    )


def _efficiency(step: float, waiting: float) -> str:
    return f'{100 * step / (step + waiting):.0f} %'


if __name__ == '__main__':
    main()
