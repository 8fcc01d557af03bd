"""The pre-norm transformer block that ElasticViT and ViTAS share."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import drop_path
from torch import nn


def init_linear(module: nn.Module) -> None:
    """Initialise all linear layers inside: weights with standard deviation 0.02, biases zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class TransformerBlock(nn.Module):
    """Attention and MLP, each with a norm before it and a residual sum after it.

    Args:
        norm1, norm2: called with (x, channels).
        attn: called with (x, plan, ...).
        mlp: called with (x, channels, hidden).
    """

    def __init__(self, norm1: nn.Module, attn: nn.Module, norm2: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = norm1, attn, norm2, mlp

    def forward(self, x: torch.Tensor, plan: Any, *args: Any) -> torch.Tensor:
        """Map (B, L, C) to the same shape.

        Args:
            plan: spans of the block: ``channels``, ``hidden``, ``drop`` and those that its
                attention reads.
            args: further arguments of the attention.
        """
        x = self._add(x, self.attn(self.norm1(x, plan.channels), plan, *args), plan.drop)
        y = self.mlp(self.norm2(x, plan.channels), plan.channels, plan.hidden)
        return self._add(x, y, plan.drop)

    @torch.no_grad()
    def become_identity(self) -> None:
        """Set to zero what ends the two branches; all before it keeps its weights."""
        for last in (self.attn.proj, self.mlp.fc2):
            last.weight.zero_()
            last.bias.zero_()

    def _add(self, x: torch.Tensor, branch: torch.Tensor, drop: float) -> torch.Tensor:
        return x + (drop_path(branch, drop, self.training) if drop else branch)
