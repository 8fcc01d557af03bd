"""Two gloo processes with different pictures: memory banks and what is drawn stay the same."""

import torch
import torch.distributed as dist
from mmengine.optim import OptimWrapper

from nasvit_mm.cost import count
from tests.commands import as_rank
from tests.test_supernet.test_model import batch, build, tiny

STEPS = 12


def main(rank: int) -> None:
    of = tiny('elasticvit')
    low, high = (float(count(of, [a]).macs[0]) for a in (of.smallest, of.largest))
    levels = [low + (high - low) * part for part in (0.3, 0.5)]
    model = build(
        'elasticvit',
        agc=0.1,
        distill=dict(smallest='mean'),
        sampler=dict(
            type='bank',
            levels=levels,
            tolerance=(high - low) / 20,
            num=2,
            capacity=4,
            capacity_large=4,
            exploit=0.5,
            smallest={},
            count_args={},
        ),
    )
    model.steps_per_epoch = 4  # banks are scored anew at its quarters, and before each
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    for step in range(STEPS):
        model.train_step(batch(seed=2 * step + rank), optimizer)
    ours = dict(
        sampler=model.sampler.state_dict(),
        step=model.step,
        weights=[p.detach() for p in model.parameters()],
    )
    theirs = [None, None]
    dist.all_gather_object(theirs, ours)
    for key in ('sampler', 'step'):
        assert theirs[0][key] == theirs[1][key], key
    assert all(map(torch.equal, theirs[0]['weights'], theirs[1]['weights']))
    scores = [score for bank in ours['sampler']['bank'] for _, score in bank]
    assert len(scores) > 4 and len(set(scores)) > 2, scores


as_rank(main)
