"""What the attentions of the families share."""

from __future__ import annotations

from collections.abc import Callable

import torch

# Elements of a score matrix handled at once without gradients: bounds global attention's memory.
CHUNK_ELEMENTS = 1 << 25


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: torch.Tensor | None = None,
    padding: torch.Tensor | None = None,
) -> torch.Tensor:
    """softmax(q k' + bias) v, in chunks of queries without gradients.

    Plain products, not torch's fused kernel: exporters, the trace and every device see the same.

    Args:
        q: (N, heads, L, D), scaled.
        k, v: (N, heads, K, D) and (N, heads, K, C).
        bias: (heads, L, K).
        padding: which keys are padding, (windows, K) bool with N a multiple of windows, the
            windows of one picture next to one another.

    Returns:
        (N, heads, L, C).
    """
    if padding is not None:
        padding = padding.repeat(q.shape[0] // padding.shape[0], 1)[:, None, None]
    k = k.transpose(2, 3)

    def rows(part: slice) -> torch.Tensor:
        scores = q[:, :, part] @ k
        if bias is not None:
            scores = scores + bias[:, part]
        if padding is not None:
            scores = scores.masked_fill(padding, float('-inf'))
        return scores.softmax(-1) @ v

    return attend_by_rows(rows, q.shape[2], q.shape[0] * q.shape[1] * v.shape[2])


def attend_by_rows(
    rows: Callable[[slice], torch.Tensor], tokens: int, elements: int
) -> torch.Tensor:
    """Attention of all queries, without gradients in chunks of them.

    Args:
        rows: attention of the queries of a slice, (N, heads, slice, C).
        tokens: number of queries.
        elements: of the score matrix per query (N * heads * keys).
    """
    chunk = tokens
    if not torch.is_grad_enabled():
        chunk = max(1, CHUNK_ELEMENTS // elements)
    if chunk >= tokens:
        return rows(slice(None))
    return torch.cat([rows(slice(i, i + chunk)) for i in range(0, tokens, chunk)], 2)
