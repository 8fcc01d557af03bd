"""The divergences are those of torch's distributions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from nasvit_mm.teacher import channel_divergence, pixel_divergence, unexplained


def maps() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(3 * torch.randn(2, 4, 5, 6, generator=generator) for _ in range(2))


@pytest.mark.parametrize('temperature', [1.0, 4.0])
def test_by_pixel(temperature):
    ours, theirs = maps()
    p, q = (Categorical(logits=z.movedim(1, -1) / temperature) for z in (theirs, ours))
    expected = kl_divergence(p, q).mean() * temperature**2
    torch.testing.assert_close(pixel_divergence(ours, theirs, temperature), expected)


def test_by_pixel_of_decisions():
    """Of (N, 2, C, H, W), the logits of yes and no."""
    ours, theirs = maps()
    p, q = Bernoulli(logits=theirs), Bernoulli(logits=ours)
    found = pixel_divergence(*(torch.stack([z, 0 * z], 1) for z in (ours, theirs)))
    torch.testing.assert_close(found, kl_divergence(p, q).mean())


@pytest.mark.parametrize('decisions', [False, True])
def test_by_channel(decisions):
    ours, theirs = maps()
    p, q = (Categorical(logits=z.flatten(2) / 4.0) for z in (theirs, ours))
    if decisions:
        ours, theirs = (torch.stack([z, 0 * z], 1) for z in (ours, theirs))
    torch.testing.assert_close(
        channel_divergence(ours, theirs, 4.0), kl_divergence(p, q).mean() * 16
    )


def test_features_that_a_linear_map_explains():
    """Of other widths; not at all where they have nothing to do with ours."""
    generator = torch.Generator().manual_seed(0)
    ours = [torch.randn(2, 4, h, h, generator=generator) for h in (16, 8)]
    theirs = [
        torch.einsum('nchw,cd->ndhw', x, torch.linspace(-1, 1, 24).view(4, 6)) + 5 for x in ours
    ]
    others = [torch.randn(2, 6, h, h, generator=generator) for h in (16, 8)]
    assert float(unexplained(list(zip(ours, theirs)))) < 1e-4
    assert float(unexplained(list(zip(ours, others)))) > 0.95
    half = [(a + b) / 2**0.5 for a, b in zip(_unit(theirs), _unit(others))]
    assert float(unexplained(list(zip(ours, half)))) == pytest.approx(0.5, abs=0.05)


def test_features_of_levels_of_other_widths():
    generator = torch.Generator().manual_seed(0)
    ours = [torch.randn(2, c, 16, 16, generator=generator) for c in (4, 6)]
    theirs = [2 * ours[0] + 1, torch.randn(2, 6, 16, 16, generator=generator)]
    found = unexplained(list(zip(ours, theirs)))  # nothing of 4 channels, nearly all of 6
    assert float(found) == pytest.approx(0.6, abs=0.02)


def _unit(maps: list) -> list:
    return [(x - x.mean((0, 2, 3), True)) / x.std((0, 2, 3), keepdim=True) for x in maps]


def test_the_gradient_is_that_of_the_best_map():
    """Against numbers: a small move of the features changes the best map too."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randn(1, 3, 4, 4, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(unexplained([(x, y)]), x)
    move = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        moved = [float(unexplained([(x + s * 1e-5 * move, y)])) for s in (1, -1)]
    expected = (moved[0] - moved[1]) / 2e-5
    assert float((gradient * move).sum()) == pytest.approx(expected, rel=0.02)
