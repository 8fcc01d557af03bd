"""Two gloo processes step like one process that averages the gradients of the same half-batches."""

import sys

import torch
from mmengine.optim import OptimWrapper

from nasvit_mm.nn import batch_norms
from tests.commands import as_rank
from tests.test_supernet.test_model import batch, build, moved

SPACE, RULE, DRAWS = sys.argv[1], sys.argv[2], sys.argv[3] == 'rank_draws'


def main(rank: int) -> None:
    options = dict(
        conflict=dict(rule=RULE),
        clip_grad=0.5,
        rank_draws=DRAWS,
        sampler=dict(type='sandwich', num_random=2),
    )
    model = build(SPACE, **options)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    halves = [{k: v[part] for k, v in batch(n=8).items()} for part in (slice(0, 4), slice(4, 8))]
    model.train_step(halves[rank], OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0)))

    # By hand: both halves one after the other, gradients averaged, then limit and rule.
    from nasvit_mm.supernet import SandwichSampler, project_conflict, sum_gradients

    def gradients(data, seed):
        twin = build(SPACE, **options)
        sampler = SandwichSampler(
            twin.sampler.space, seed=seed, num_random=2, phases=twin.sampler.phases
        )
        parts = []
        for group in (slice(0, 1), slice(1, None)):
            twin.zero_grad()
            for choice in list(sampler.draw(1))[group]:
                twin.set_arch(choice.arch, choice.phase)
                ready = twin.model.data_preprocessor(data, True)
                twin.kind.forward(twin.model, ready).loss.backward()
            parts.append([None if p.grad is None else p.grad.clone() for p in twin.parameters()])
        return parts

    sets = [gradients(half, r if DRAWS else 0) for r, half in enumerate(halves)]

    def mean(a, b):
        if a is None or b is None:
            only = b if a is None else a
            return None if only is None else only / 2
        return (a + b) / 2

    sup, sub = ([mean(a, b) for a, b in zip(sets[0][i], sets[1][i])] for i in (0, 1))
    if not DRAWS and not batch_norms(model):  # then the joined batch is the same too
        for halved, joined in zip((sup, sub), gradients(batch(n=8), 0)):
            for a, b in zip(halved, joined):
                assert (a is None) == (b is None)
                if a is not None:
                    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
        sys.stdout.write('as the joined batch, ')
    norm = torch.stack([g.norm() for g in sub if g is not None]).norm()
    sub = [None if g is None else g * min(1.0, 0.5 / (float(norm) + 1e-6)) for g in sub]
    combine = project_conflict if RULE == 'project' else sum_gradients
    for change, g in zip(moved(model, before), combine(sub, sup)):
        expected = torch.zeros_like(change) if g is None else g
        torch.testing.assert_close(change, expected, rtol=0, atol=1e-5)


as_rank(main)
