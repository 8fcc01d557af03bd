"""NASViT's windows against an independent, loop-written attention."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from nasvit_mm.families.nasvit import space as facts
from nasvit_mm.families.nasvit.network import Attention
from nasvit_mm.nn import Span
from nasvit_mm.spaces.geometry import window_side


def reference(
    attention: Attention,
    x: torch.Tensor,
    grid: tuple[int, int],
    side: tuple[int, int],
    trained: int,
) -> torch.Tensor:
    """Each window on its own, over its real tokens only, with plain loops."""
    (height, width), channels = grid, x.shape[-1]
    heads = channels // facts.HEAD_DIM
    table = attention.position.weight
    q, k = attention.q, attention.k
    q, k = F.linear(x, q.weight, q.bias), F.linear(x, k.weight, k.bias)
    v = F.linear(x, attention.v.weight, attention.v.bias)
    v = (
        F.conv2d(
            v.transpose(1, 2).reshape(1, -1, height, width),
            attention.v_conv.weight,
            padding=1,
            groups=v.shape[-1],
        )
        .flatten(2)
        .transpose(1, 2)
    )
    out = torch.zeros_like(v)
    for top in range(0, height, side[0]):
        for left in range(0, width, side[1]):
            inside = [
                (y, z)
                for y in range(top, min(top + side[0], height))
                for z in range(left, min(left + side[1], width))
            ]
            index = [y * width + z for y, z in inside]
            scores = torch.stack(
                [
                    q[0, index, 8 * h : 8 * h + 8] @ k[0, index, 8 * h : 8 * h + 8].T * 8**-0.5
                    + torch.stack(
                        [
                            torch.stack(
                                [table[(y - b + 17) * 35 + z - c + 17, h] for b, c in inside]
                            )
                            for y, z in inside
                        ]
                    )
                    for h in range(heads)
                ]
            )
            mixed = torch.einsum('gh,hij->gij', attention.talk_before.weight, scores)
            mixed = (mixed + attention.talk_before.bias[:, None, None]).softmax(-1)
            mixed = torch.einsum('gh,hij->gij', attention.talk_after.weight, mixed)
            mixed = mixed + attention.talk_after.bias[:, None, None] * trained / len(inside)
            for h in range(heads):
                out[0, index, 32 * h : 32 * h + 32] = mixed[h] @ v[0, index, 32 * h : 32 * h + 32]
    return F.linear(F.silu(out), attention.proj.weight, attention.proj.bias)


@pytest.mark.parametrize('mode', ['auto', 'window'])
@pytest.mark.parametrize('grid', [(4, 6), (19, 5), (20, 21)])
def test_windows(grid, mode):
    torch.manual_seed(0)
    attention = Attention(16)
    torch.nn.init.normal_(attention.position.weight)
    x = torch.randn(1, grid[0] * grid[1], 16)
    side = tuple(window_side(n, facts.TABLE_GRID) for n in grid)
    with torch.no_grad():
        ours = attention(x, Span.whole(16), grid, mode, 30)
        torch.testing.assert_close(
            ours, reference(attention, x, grid, side, 30), rtol=1e-4, atol=1e-5
        )


def test_padded_tokens_reach_nothing():
    """Other pictures of the batch and gradients stay finite and independent of padding."""
    torch.manual_seed(0)
    attention, grid = Attention(16), (19, 21)
    x = torch.randn(2, 19 * 21, 16, requires_grad=True)
    out = attention(x, Span.whole(16), grid, 'window', 9)
    alone = attention(x[1:], Span.whole(16), grid, 'window', 9)
    torch.testing.assert_close(out[1:], alone)
    out[0].sum().backward()
    assert x.grad.isfinite().all() and not x.grad[1].any()


def test_features_keep_their_size_on_larger_maps():
    """Constant v: the bias after the softmax must not make the output grow with the map."""
    torch.manual_seed(0)
    attention = Attention(16)
    torch.nn.init.zeros_(attention.v.weight)
    torch.nn.init.zeros_(attention.v_conv.weight)
    attention.v_conv.weight.data[:, 0, 1, 1] = 1  # v itself, borders included
    with torch.no_grad():
        outs = [
            attention(torch.randn(1, n * m, 16), Span.whole(16), (n, m), mode, 36)
            for n, m, mode in (
                (6, 6, 'auto'),
                (18, 12, 'auto'),
                (19, 25, 'window'),
                (19, 25, 'global'),
            )
        ]
    for out in outs[1:]:
        torch.testing.assert_close(out[0, 0], outs[0][0, 0], rtol=1e-4, atol=1e-5)
