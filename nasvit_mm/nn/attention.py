"""What the attentions of the families share."""
from __future__ import annotations

from collections.abc import Callable

import torch

# Elements of a score matrix handled at once without gradients: bounds global attention's memory.
CHUNK_ELEMENTS = 1 << 25


def attend_by_rows(rows: Callable[[slice], torch.Tensor], tokens: int,
                   elements: int) -> torch.Tensor:
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
