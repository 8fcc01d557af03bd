"""Attention by a GPU's fused kernel, and in chunks that are computed again, is that by products."""

from __future__ import annotations

import pytest
import torch

from nasvit_mm.nn import attend, attention

WINDOWS, HEADS, TOKENS, WIDTH = 2, 2, 12, 8
PADDING = torch.arange(TOKENS) >= torch.tensor([[TOKENS], [9]])  # (windows, K)


def tensors(biased: bool) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(2 * WINDOWS, HEADS, TOKENS, WIDTH)] * 2 + [(2 * WINDOWS, HEADS, TOKENS, 16)]
    shapes += [(HEADS, TOKENS, TOKENS)] if biased else []
    return [torch.randn(s, generator=generator, requires_grad=True) for s in shapes]


def results(forward, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """The output, and gradients of all inputs."""
    out = forward(*inputs)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    return [out, *torch.autograd.grad((out * weights).sum(), inputs)]


@pytest.mark.parametrize('padding', [None, PADDING], ids=['whole', 'padded'])
@pytest.mark.parametrize('biased', [False, True])
def test_fused(biased: bool, padding: torch.Tensor | None) -> None:
    keys = None if padding is None else padding.repeat(2, 1)[:, None, None]

    def fused(q, k, v, bias=None):
        return attention.attend_fused(q, k, v, bias, keys)

    def products(q, k, v, bias=None):
        return attend(q, k, v, bias, padding)

    for a, b in zip(results(fused, tensors(biased)), results(products, tensors(biased))):
        torch.testing.assert_close(a, b)


def test_many_scores_are_computed_again_and_not_kept(monkeypatch) -> None:
    """With the same gradients."""
    whole, inputs, kept = results(attend, tensors(True)), tensors(True), []
    monkeypatch.setattr(attention, 'TRAINED_ELEMENTS', 0)
    monkeypatch.setattr(attention, 'CHUNK_ELEMENTS', 5 * 2 * WINDOWS * HEADS * TOKENS)

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = attend(*inputs)
    scores = [t for t in kept if t.shape[-1] == TOKENS and t.shape[:2] == (2 * WINDOWS, HEADS)]
    assert not [t for t in scores if t.shape[2] != WIDTH], [t.shape for t in scores]  # keys' 8
    torch.testing.assert_close(out, whole[0])
    for a, b in zip(results(attend, inputs), whole):
        torch.testing.assert_close(a, b)
