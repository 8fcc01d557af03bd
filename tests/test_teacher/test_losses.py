"""The divergences are those of torch's distributions."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from nasvit_mm.teacher import channel_divergence, pixel_divergence


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
