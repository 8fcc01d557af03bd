"""The parts of attention that the families share."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

# Score elements computed at once; this bounds global attention's memory.
CHUNK_ELEMENTS = 1 << 25
# With gradients a chunk is computed twice, so it takes more: 64 images at 288 are not chunked, two
# at 512 x 1024 in global attention are.
TRAINED_ELEMENTS = 1 << 26
ALIGNED = 8  # channels of a head that the fused kernels of a GPU read at once, in half precision


def is_exporting() -> bool:
    """Return whether a graph is exported; before torch 2.7 one that is compiled looks the same."""
    return getattr(torch.compiler, 'is_exporting', torch.compiler.is_compiling)()


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: torch.Tensor | None = None,
    padding: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute softmax(q k' + bias) v, on a GPU by torch's fused kernel.

    Elsewhere, and where a graph is exported or traced, it uses plain products, so that exporters
    and the trace see the same operations; see :func:`attend_by_rows` for their memory.

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
    # Of other widths the kernel would fall back on products that hold all scores at once.
    aligned = not (q.shape[-1] % ALIGNED or v.shape[-1] % ALIGNED)
    if q.device.type == 'cuda' and aligned and not is_exporting():
        return attend_fused(q, k, v, bias, padding)
    k = k.transpose(2, 3)  # (N, heads, D, K)

    def rows(part: slice) -> torch.Tensor:
        scores = q[:, :, part] @ k  # (N, heads, part, K)
        if bias is not None:
            scores = scores + bias[:, part]
        if padding is not None:
            scores = scores.masked_fill(padding, float('-inf'))
        return scores.softmax(-1) @ v

    return attend_by_rows(rows, q.shape[2], q.shape[0] * q.shape[1] * v.shape[2])


def attend_fused(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: torch.Tensor | None,
    padding: torch.Tensor | None,
) -> torch.Tensor:
    """Compute :func:`attend` by a kernel that keeps no scores.

    Args:
        padding: (N, 1, 1, K) bool.
    """
    mask = None if bias is None else bias[None]  # (1, heads, L, K)
    if padding is not None:
        mask = ~padding if mask is None else mask.masked_fill(padding, float('-inf'))
    return F.scaled_dot_product_attention(q, k, v, mask, scale=1.0)


def attend_by_rows(
    rows: Callable[[slice], torch.Tensor], tokens: int, elements: int
) -> torch.Tensor:
    """Compute the attention of all queries, in chunks of queries where the scores are many.

    With gradients the scores of a chunk are computed again in its backward, and not kept.

    Args:
        rows: computes the attention of a slice of the queries, (N, heads, slice, C).
        tokens: number of queries.
        elements: elements of the score matrix per query (N * heads * keys).
    """
    trained = torch.is_grad_enabled()
    # Exported the number of chunks would be that of one batch size; a compiler saves by itself.
    whole = is_exporting() or (trained and torch.compiler.is_compiling())
    if whole or tokens * elements < (TRAINED_ELEMENTS if trained else CHUNK_ELEMENTS):
        return rows(slice(None))
    chunk = max(1, CHUNK_ELEMENTS // elements)
    parts = [slice(i, i + chunk) for i in range(0, tokens, chunk)]
    if not trained:
        return torch.cat([rows(part) for part in parts], 2)
    return torch.cat(
        [checkpoint(rows, p, use_reentrant=False, preserve_rng_state=False) for p in parts], 2
    )
