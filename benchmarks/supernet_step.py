"""One training step of NASViT's supernet beside one of timm's resnet50, and its parts.

    python benchmarks/supernet_step.py

Batch 8 at 224: largest, smallest and two random subnets, in-place distillation, limit, projection,
AdamW.  The two take turns in one process.  By time, and by processor time, which with one thread is
the time on a machine that does nothing else.
"""

from __future__ import annotations

import statistics
import time

import timm
import torch
from _timing import parser
from mmengine.optim import OptimWrapper

from nasvit_mm.compat import keep_freed_memory
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import project_conflict


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument('--batch', type=int, default=8)
    arguments.add_argument(
        '--split-batch', action='store_true', help='the subnets beside the largest part the batch'
    )
    arguments.set_defaults(rounds=5)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()  # as training does
    torch.manual_seed(0)
    data = dict(
        inputs=torch.randn(args.batch, 3, 224, 224), labels=torch.randint(0, 1000, (args.batch,))
    )
    model = MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=dict(type='nasvit_mm.ImageClassifier', space='nasvit'),
            sampler=dict(type='sandwich', num_random=2),
            conflict=dict(rule='project'),
            distill=dict(sampled='largest', smallest='largest'),
            clip_grad=1.0,
            split_batch=args.split_batch,
        )
    ).train()
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-4))
    resnet = timm.create_model('resnet50').train()
    optimizer = torch.optim.AdamW(resnet.parameters(), lr=1e-4)

    def ours() -> None:
        model.train_step(data, wrapper)

    def theirs() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(resnet(data['inputs']), data['labels']).backward()
        optimizer.step()

    ours(), theirs()
    clocks = dict(time=time.perf_counter, processor=time.process_time)
    times = {(clock, of): [] for clock in clocks for of in ('ours', 'theirs')}
    for _ in range(args.rounds):
        for name, step in (('ours', ours), ('theirs', theirs)):
            start = {clock: now() for clock, now in clocks.items()}
            step()
            for clock, now in clocks.items():
                times[clock, name].append(now() - start[clock])
    for clock in clocks:
        both = times[clock, 'ours'], times[clock, 'theirs']
        ratios = [a / b for a, b in zip(*both)]
        medians = [statistics.median(seconds) for seconds in both]
        print(
            f'{clock}: supernet step {medians[0]:.2f} s, resnet50 step {medians[1]:.2f} s: '
            f'ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f}; '
            f'batch {args.batch} at 224, {args.threads} threads)'
        )
    seconds = statistics.median(times['time', 'ours'])

    sub, sup = ([torch.randn_like(p) for p in model.parameters()] for _ in range(2))
    for p, g in zip(model.parameters(), sub):
        p.grad = g
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        project_conflict(sub, sup, inplace=True)
        spent.append(time.perf_counter() - start)
    print(
        f'limit and projection: {statistics.median(spent) * 1e3:.0f} ms, '
        f'{100 * statistics.median(spent) / seconds:.1f} % of the step'
    )


if __name__ == '__main__':
    main()
