"""Whether the model that is measured is the one whose cost counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from nasvit_mm.dense.build import build_model
from nasvit_mm.dense.searched import DenseTask
from nasvit_mm.errors import UsageError


def check_same_model(task: DenseTask, model: Mapping[str, Any], scope: str | None = None) -> None:
    """Check that a supernet that was trained in a task was so in this one.

    Compared is the model of the smallest architecture, by the names and shapes of its weights.

    Args:
        task: whose cost counts.
        model: config of the model in the supernet; a classifier's passes.
        scope: default scope of that config; None: the task's.

    Raises:
        UsageError: names the first entries that differ.
    """
    if 'backbone' not in model:
        return
    scope = scope or task.cfg.get('default_scope', 'mmseg')
    theirs = _entries(DenseTask(Config(dict(model=model, default_scope=scope)), task.space))
    ours = _entries(task)
    differing = [
        f'{key} is {theirs.get(key, "missing")} in the supernet, '
        f'{ours.get(key, "missing")} in the task'
        for key in {**theirs, **ours}
        if theirs.get(key) != ours.get(key)
    ]
    if differing:
        raise UsageError(
            'the supernet of the evaluator is of another model than the task whose '
            f'cost counts: of the smallest architecture {len(differing)} entries '
            f'differ, the first: {"; ".join(differing[:2])}. Give the config of the '
            'supernet for task, or a supernet of this task'
        )


def _entries(task: DenseTask) -> dict[str, str]:
    """Name -> shape of all weights of the smallest architecture."""
    model = build_model(task.config(task.space.smallest))
    return {
        key: 'x'.join(map(str, value.shape)) or 'a number'
        for key, value in model.state_dict().items()
    }
