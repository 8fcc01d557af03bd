"""Writing weights together with a description of what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nasvit_mm.files import replacing
from nasvit_mm.spaces import Arch, Space


def save_weights(
    path: str | Path,
    state: Mapping[str, torch.Tensor],
    space: Space,
    arch: Arch | None,
    **meta: Any,
) -> None:
    """Write ``dict(state_dict=..., meta=...)`` of tensors and plain types, or no file at all.

    ``meta`` holds the space, the architecture (None for a supernet) and any further keywords, so
    that the file describes itself.
    """
    content = dict(
        state_dict=dict(state),
        meta=dict(space=space.to_dict(), arch=arch and arch.to_dict(), **meta),
    )
    # By Python's own file: of a full disk torch's speaks of positions in a file.
    with replacing(path) as draft, draft.open('wb') as file:
        torch.save(content, file)
