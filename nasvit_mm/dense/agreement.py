"""Whether the model that is measured is the one whose cost counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from nasvit_mm.dense.build import build_model
from nasvit_mm.dense.searched import SearchedModel
from nasvit_mm.errors import UsageError


def check_same_model(
    ours: SearchedModel, model: Mapping[str, Any], scope: str | None = None
) -> None:
    """Check that a supernet was trained in the model whose cost counts.

    The models of the smallest architecture are compared by names and shapes of their weights.

    Args:
        ours: the model whose cost counts.
        model: config of the model in the supernet; a classifier's passes.
        scope: default scope of that config; None: ours.

    Raises:
        UsageError: names the first entries that differ.
    """
    if 'backbone' not in model:
        return
    scope = scope or ours.cfg.get('default_scope', 'mmseg')
    theirs = _entries(SearchedModel(Config(dict(model=model, default_scope=scope)), ours.space))
    wanted = _entries(ours)
    differing = [
        f'{key} is {theirs.get(key, "missing")} in the supernet, '
        f'{wanted.get(key, "missing")} in the task'
        for key in {**theirs, **wanted}
        if theirs.get(key) != wanted.get(key)
    ]
    if differing:
        raise UsageError(
            'the supernet of the evaluator is of another model than the task whose '
            f'cost counts: of the smallest architecture {len(differing)} entries '
            f'differ, the first: {"; ".join(differing[:2])}. Give the config of the '
            'supernet for task, or a supernet of this task'
        )


def _entries(searched: SearchedModel) -> dict[str, str]:
    """Return name -> shape of all weights of the smallest architecture."""
    model = build_model(searched.config(searched.space.smallest))
    return {
        key: 'x'.join(map(str, value.shape)) or 'a number'
        for key, value in model.state_dict().items()
    }
