"""What a supernet starts with beyond the network that was laid into it: variants, measured.

    python benchmarks/lay_in.py SPACE [--data data/cifar10]

A member of a small space is trained alone on CIFAR-10 (32 pixels).  Then it is laid into supernets
that differ in what they hold beyond it, and each is trained by a sandwich of largest, smallest and
two random subnets.  Printed are cross-entropies on validation images, batch norms recalibrated:
before the first step of the supernet, and after the last.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import extract_subnet, lay_in
from nasvit_mm.nn import batch_norms, recalibrate_bn

MEAN, STD = (124.0, 116.0, 104.0), (59.0, 57.0, 57.0)
RANDOM = 4  # subnets whose mean is printed
SLOTS = [0] * 2 + [1] * 2 + [2] * 18 + [3] * 4  # the stages of vitas_twins' slots
RESTRICTIONS = {
    'nasvit': dict(resolution=[32], depth=[[1, 2]] + [[3, 4]] * 6),
    'elasticvit': {},
    'vitas_twins': dict(
        width=[[2**i * 8 * k for k in range(2, 5)] for i in range(4)],
        heads={**{f'stage2.{i}': 0 for i in range(4, 18)}, 'stage3.2': 0, 'stage3.3': 0},
        head_dim=[[16, 32] for _ in SLOTS],
        mlp_width=[[2**i * 64 * k for k in range(1, 3)] for i in SLOTS],
    ),
    'vitas_deit_small': dict(width=[77, 115, 154, 192]),
}


def images(folder: Path, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (N, 3, 32, 32), normalised, and their labels, ``each`` of a class."""
    found, labels = [], []
    for label, kind in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        for path in sorted(kind.iterdir())[:each]:
            found.append(np.asarray(Image.open(path).convert('RGB'), dtype=np.float32))
            labels.append(label)
    x = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1), torch.tensor(
        labels
    )


def train(net, draw, data, steps, lr, batch=64):
    """Train by AdamW with a cosine; ``draw(step)`` names the subnets of a step."""
    x, y = data
    optimizer = torch.optim.AdamW(net.parameters(), lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps, pct_start=0.1)
    random = torch.Generator().manual_seed(0)
    net.train()
    for step in range(steps):
        chosen = torch.randint(len(x), (batch,), generator=random)
        inputs = x[chosen]
        if torch.rand((), generator=random) < 0.5:
            inputs = inputs.flip(3)
        optimizer.zero_grad()
        for arch, phase in draw(step):
            net.set_arch(arch, phase)
            F.cross_entropy(net(inputs), y[chosen]).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()


@torch.no_grad()
def loss(net, arch, data, val, phase=0) -> float:
    """Return the cross-entropy of a subnet on validation images, batch norms recalibrated."""
    subnet = extract_subnet(net, arch, phase)
    if batch_norms(subnet):
        recalibrate_bn(subnet, data[0][:512].split(128))
    subnet.eval()
    return float(F.cross_entropy(torch.cat([subnet(x) for x in val[0].split(250)]), val[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('space', nargs='?', default='nasvit', choices=RESTRICTIONS)
    parser.add_argument('--data', type=Path, default=Path('data/cifar10'))
    parser.add_argument(
        '--steps', type=int, nargs=2, default=[400, 200], help='of the member, of the supernet'
    )
    parser.add_argument('--images', type=int, default=400, help='of a class to train with')
    parser.add_argument('--sharing')
    parser.add_argument('--variants', nargs='+')
    args = parser.parse_args()
    torch.set_num_threads(1)
    data, val = images(args.data / 'train', args.images), images(args.data / 'val', 50)
    mixed = torch.randperm(len(data[0]), generator=torch.Generator().manual_seed(0))
    data = (data[0][mixed], data[1][mixed])
    space = get_space(args.space).restrict(**RESTRICTIONS[args.space])
    options = {'resize': False} | ({'sharing': args.sharing} if args.sharing else {})
    ordered = sorted(space.sample(0, 9), key=lambda a: sum(space.genes(a)))
    arch, others = ordered[4], space.sample(1, RANDOM)
    torch.manual_seed(0)
    member = create_model(space, arch, 10, **options)
    began = time.time()
    train(member, lambda step: [(arch, 0)], data, args.steps[0], 1e-3)
    print(f'{arch}: alone {loss(member, arch, data, val):.3f} ({time.time() - began:.0f} s)')
    random = np.random.default_rng(2)

    def sandwich(step):
        phase = step % net.backbone.phases
        drawn = space.sample(random, 2)
        return [(a, phase) for a in (space.largest, space.smallest, *drawn)]

    print(f'{"":14}' + '  '.join(f'{n:>9}' for n in ('member', 'largest', 'smallest', 'random')))
    variants = {
        'fresh': None,
        **{f'{s:g}{"+order" * o}': dict(share=s, order=o) for s in (0.0, 0.5, 1.0) for o in (0, 1)},
    }
    chosen = args.variants or list(variants)
    for steps in sorted({0, args.steps[1]}):
        for name in chosen:
            torch.manual_seed(0)
            net = create_model(space, None, 10, **options)
            if variants[name]:
                how = dict(variants[name])
                source = extract_subnet(member, arch)
                if how.pop('order'):
                    for module in source.modules():
                        if hasattr(module, 'order_hidden'):
                            module.order_hidden()
                lay_in(net, source.state_dict(), arch, **how)
            if steps:
                random = np.random.default_rng(2)
                train(net, sandwich, data, steps, 1e-3)
            found = [loss(net, a, data, val) for a in (arch, space.largest, space.smallest)]
            found.append(float(np.mean([loss(net, a, data, val) for a in others])))
            print(f'{name:9}{steps:4} ' + '  '.join(f'{n:9.3f}' for n in found), flush=True)


if __name__ == '__main__':
    main()
