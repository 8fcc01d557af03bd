"""Batch norm statistics across processes."""

from __future__ import annotations

from typing import Any

from mmengine.dist import broadcast, get_world_size
from mmengine.hooks import Hook
from torch import nn

from nasvit_mm.registry import HOOKS


def share_buffers(model: nn.Module) -> None:
    """Give all processes the buffers of the first one."""
    if get_world_size() > 1:
        for buffer in model.buffers():
            broadcast(buffer, src=0)


@HOOKS.register_module()
class ShareBuffers(Hook):
    """Validates with the buffers of the first process, which are those in the checkpoint.

    Plain batch norms keep the statistics of their own process, so a validation spread over
    processes would give a metric that no checkpoint reproduces.
    """

    def before_val(self, runner: Any) -> None:
        share_buffers(runner.model)
