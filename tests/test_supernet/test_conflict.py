"""Gradient projection against the authors' code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasvit_mm.supernet import Conflict, cosine, project_conflict, sum_gradients
from tests.conftest import GOLDEN, Golden

PROJECTIONS = sorted(p.name for p in (GOLDEN / 'nasvit').glob('gradproj_*.npz'))
STEPS = sorted(p.name for p in (GOLDEN / 'nasvit').glob('optim_*.npz'))


def load(name: str) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(np.array(v)) for k, v in Golden('nasvit').load(name).items()}


@pytest.mark.parametrize('inplace', [False, True])
@pytest.mark.parametrize('rule', ['sum', 'project'])
@pytest.mark.parametrize('name', PROJECTIONS)
def test_projection(name, rule, inplace):
    case = load(name)
    names = sorted({k.split('/')[1] for k in case if k.startswith('g_')})
    sub, sup = ([case.get(f'{kind}/{n}') for n in names] for kind in ('g_sub', 'g_super'))
    assert any(g is None for g in sub) and any(g is None for g in sup)
    before = [None if g is None else g.clone() for g in (*sub, *sup)]
    combine = project_conflict if rule == 'project' else sum_gradients
    for got, n in zip(combine(sub, sup, inplace=inplace), names, strict=True):
        torch.testing.assert_close(got, case[f'out_{rule}_absent_zeros/{n}'])
    if not inplace:
        for was, now in zip(before, (*sub, *sup)):
            assert was is now is None or torch.equal(was, now)
    limits = [float(case[f'coef_unclamped/{n}']) for n in names if f'coef_unclamped/{n}' in case]
    assert min(limits) < 0 < 2 < max(limits)  # agreement, conflict and the limit all come


@pytest.mark.parametrize('name', STEPS)
def test_steps(name):
    """Three subnets summed and clipped, combined, AdamW: the weights of every step."""
    case, names = load(name), ('a', 'b')
    weights = [torch.nn.Parameter(case[f'w0/{n}'].clone()) for n in names]
    optimizer = torch.optim.AdamW(
        [dict(params=[weights[0]], weight_decay=0.05), dict(params=[weights[1]], weight_decay=0.0)],
        lr=1e-2,
    )
    conflict = Conflict('project' if 'project' in name else 'sum')
    for step in range(3):
        for w, n in zip(weights, names):
            w.grad = case[f'step{step}/g_sub3/{n}'].sum(0)
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        assert float(norm) == pytest.approx(float(case[f'step{step}/clip_total_norm']), rel=1e-5)
        sup = [case[f'step{step}/g_super/{n}'] for n in names]
        for w, g in zip(weights, conflict([w.grad for w in weights], sup, epoch=0)):
            w.grad = g
        optimizer.step()
        for w, n in zip(weights, names):
            torch.testing.assert_close(w.detach(), case[f'step{step}/w/{n}'], rtol=1e-5, atol=1e-6)


def test_what_opposes_the_subnets_is_taken_out():
    sub, sup = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 3.0])
    (out,) = project_conflict([sub], [sup])
    torch.testing.assert_close(out, torch.tensor([1.0, 3.0]), rtol=1e-5, atol=1e-5)
    assert float((out - sub) @ sub) == pytest.approx(0, abs=1e-5)
    (agree,) = project_conflict([sub], [-sup])
    torch.testing.assert_close(agree, sub - sup)


def test_scopes():
    """One coefficient each, or one for all."""
    sub = [torch.tensor([1.0, 0.0]), torch.tensor([2.0])]
    sup = [torch.tensor([-1.0, 1.0]), torch.tensor([1.0])]
    each = project_conflict(sub, sup)
    torch.testing.assert_close(each[1], sub[1] + sup[1])
    both = project_conflict(sub, sup, scope='global')  # <sub, sup> = 1: no conflict
    for out, a, b in zip(both, sub, sup):
        torch.testing.assert_close(out, a + b)
    one = [torch.cat(sub)], [torch.cat([sup[0] * 3, sup[1]])]
    (joined,) = project_conflict(*one)
    parts = project_conflict(sub, [sup[0] * 3, sup[1]], scope='global')
    torch.testing.assert_close(torch.cat(parts), joined)


def test_cosine():
    a, b = [torch.randn(4, 3), None, torch.randn(5)], [torch.randn(4, 3), torch.randn(2), None]
    expected = torch.nn.functional.cosine_similarity(a[0].flatten(), b[0].flatten(), 0)
    assert cosine(a, b) == pytest.approx(float(expected), abs=1e-6)
    assert cosine([None], [torch.ones(1)]) == 0 == cosine([torch.zeros(2)], [torch.ones(2)])


def test_schedule_and_mistakes():
    sub, sup = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 3.0])
    conflict = Conflict(start_epoch=101)
    assert torch.equal(conflict([sub.clone()], [sup], epoch=100)[0], sub + sup)
    assert not torch.equal(conflict([sub.clone()], [sup], epoch=101)[0], sub + sup)
    for arguments, message in (
        (('add',), "'add', allowed: project, sum"),
        (('project', 'layer'), "'layer', allowed: tensor, global"),
    ):
        with pytest.raises(ValueError, match=message):
            Conflict(*arguments)
    with pytest.raises(ValueError, match='1 gradients of subnets and 2'):
        project_conflict([sub], [sup, sup])
