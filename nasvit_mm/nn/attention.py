"""The parts of attention that the families share."""

from __future__ import annotations

from collections.abc import Callable

import torch

# Score elements computed at once without gradients; this bounds global attention's memory.
CHUNK_ELEMENTS = 1 << 25


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: torch.Tensor | None = None,
    padding: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute softmax(q k' + bias) v; without gradients, in chunks of queries.

    It uses plain products, not torch's fused kernel, so that exporters, the trace and every device
    see the same operations.

    Args:
        q: (N, heads, L, D), scaled.
        k, v: (N, heads, K, D) and (N, heads, K, C).
        bias: (heads, L, K).
        padding: which keys are padding, (windows, K) bool.  N is a multiple of ``windows``, and the
            windows of one image are adjacent.

    Returns:
        (N, heads, L, C).
    """
    if padding is not None:
        padding = padding.repeat(q.shape[0] // padding.shape[0], 1)[:, None, None]  # (N, 1, 1, K)
    k = k.transpose(2, 3)  # (N, heads, D, K)

    def rows(part: slice) -> torch.Tensor:
        scores = q[:, :, part] @ k  # (N, heads, part, K)
        if bias is not None:
            scores = scores + bias[:, part]
        if padding is not None:
            scores = scores.masked_fill(padding, float('-inf'))
        return scores.softmax(-1) @ v

    return attend_by_rows(rows, q.shape[2], q.shape[0] * q.shape[1] * v.shape[2])


def attend_by_rows(
    rows: Callable[[slice], torch.Tensor], tokens: int, elements: int
) -> torch.Tensor:
    """Compute the attention of all queries; without gradients, in chunks of queries.

    Args:
        rows: computes the attention of a slice of the queries, (N, heads, slice, C).
        tokens: number of queries.
        elements: elements of the score matrix per query (N * heads * keys).
    """
    chunk = tokens
    # Exported they would be of one batch size: the number of chunks depends on it.
    if not torch.is_grad_enabled() and not torch.compiler.is_exporting():
        chunk = max(1, CHUNK_ELEMENTS // elements)
    if chunk >= tokens:
        return rows(slice(None))
    return torch.cat([rows(slice(i, i + chunk)) for i in range(0, tokens, chunk)], 2)
