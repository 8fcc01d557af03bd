"""Losses against the authors' code, and on pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasvit_mm.supernet import adaptive_alpha_divergence, mixed_teachers, soft_cross_entropy
from tests.conftest import GOLDEN, Golden

NASVIT = sorted(p.name for p in (GOLDEN / 'nasvit').glob('loss_seed*.npz'))


def gradient(loss, logits: torch.Tensor, *args) -> tuple[float, torch.Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, *args)
    value.backward()
    return float(value), logits.grad


@pytest.mark.parametrize('name', NASVIT)
def test_nasvit(name):
    case = {k: torch.from_numpy(np.asarray(v)) for k, v in Golden('nasvit').load(name).items()}
    value, grad = gradient(
        adaptive_alpha_divergence, case['student_logits'], case['teacher_logits'].softmax(1)
    )
    assert value == pytest.approx(float(case['adaptive_loss']), abs=1e-5)
    torch.testing.assert_close(grad, case['adaptive_grad'], rtol=1e-4, atol=1e-6)
    assert case['chose_left'].any() or name != NASVIT[0]
    target = mixed_teachers([case['ext_teacher1_logits'], case['ext_teacher2_logits']], 0.2)
    value, grad = gradient(soft_cross_entropy, case['student_logits'], target)
    assert value == pytest.approx(float(case['ce_loss']), abs=1e-5)
    torch.testing.assert_close(grad, case['ce_grad'], rtol=1e-4, atol=1e-6)


def test_elasticvit():
    stored = Golden('elasticvit').json('losses.json.gz')
    for case in stored['cases']:
        student, target = (torch.tensor(case[k]) for k in ('student_logits', 'target_probs'))
        value, grad = gradient(adaptive_alpha_divergence, student, target)
        assert value == pytest.approx(case['adaptive_loss'], abs=1e-5)
        torch.testing.assert_close(grad, torch.tensor(case['adaptive_grad']), rtol=1e-4, atol=1e-6)
        value, grad = gradient(soft_cross_entropy, student, target)
        assert value == pytest.approx(case['soft_ce'], abs=1e-5)
        torch.testing.assert_close(grad, torch.tensor(case['soft_ce_grad']), rtol=1e-4, atol=1e-6)
    mix = stored['teacher_mix']
    mixed = mixed_teachers(
        [torch.tensor(mix['logits_1']), torch.tensor(mix['logits_2'])], mix['temperature']
    )
    torch.testing.assert_close(mixed, torch.tensor(mix['mixed_probs']), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('loss', [adaptive_alpha_divergence, soft_cross_entropy])
def test_pixels_are_pictures(loss):
    """(N, C, H, W) is (N H W, C); certain targets and students stay finite."""
    torch.manual_seed(0)
    logits, target = torch.randn(2, 5, 3, 4) * 3, torch.randn(2, 5, 3, 4).softmax(1)
    flat = [t.movedim(1, -1).flatten(0, 2) for t in (logits, target)]
    value, grad = gradient(loss, logits, target)
    expected, flat_grad = gradient(loss, *flat)
    assert value == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(grad.movedim(1, -1).flatten(0, 2), flat_grad)
    sure = torch.eye(5)
    for logits in (sure * 200, -sure * 200, torch.zeros(5, 5)):
        value, grad = gradient(loss, logits, sure)
        assert np.isfinite(value) and grad.isfinite().all()


def test_teachers_have_no_gradient():
    logits = torch.randn(2, 3, requires_grad=True)
    assert not mixed_teachers([logits], 1.0).requires_grad
    student = torch.randn(2, 3, requires_grad=True)
    adaptive_alpha_divergence(student, logits.softmax(1)).backward()
    assert logits.grad is None and student.grad.any()
