"""Backbones whose stages begin with an MBConv on maps and continue over tokens."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn

from nasvit_mm.backbones.base import ElasticBackbone
from nasvit_mm.backbones.block import Block
from nasvit_mm.nn import MBConvPlan, Span


class Plan(NamedTuple):
    """The spans of the whole network."""

    stem: Any
    stages: tuple[tuple, ...]  # an MBConvPlan or a transformer block's plan per active block
    head: Any  # spans of the classification head


class HybridBackbone(ElasticBackbone):
    """Base of NASViT and ElasticViT: a stem, then stages of MBConvs followed by transformers."""

    output_stages: ClassVar[tuple[int, ...]]  # stages whose maps are outputs

    def run_stem(self, x: torch.Tensor, plan: Any) -> torch.Tensor:
        """Map (N, 3, H, W) to a map at stride 2."""
        raise NotImplementedError

    @property
    def num_stages(self) -> int:
        """Return the number of stages built, up to the last output."""
        return self.output_stages[self.out_indices[-1]] + 1

    def output_module(self, index: int) -> str:
        return f'stages.{self.output_stages[index]}'

    def output_spans(self, plan: Plan) -> list[Span]:
        return [plan.stages[self.output_stages[i]][0].cout for i in self.out_indices]

    def blocks_of(self, arch: Any) -> list[Block]:
        plan = self.plan_of(self.space.arch(arch))
        # The stem's part of the cost also counts its first convolution, which is not a block.
        stem = [Block.of('stem', block) for block in getattr(plan.stem, 'blocks', ())]
        return stem + [
            Block.of(f'stage{i}.{"rest" if j else "first"}', block, self.stage_names[i])
            for i, stage in enumerate(plan.stages[: self.num_stages])
            for j, block in enumerate(stage)
        ]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map (N, 3, H, W) to a tuple of one map per output."""
        x = self.checked(x)
        maps, outputs = [], {self.output_stages[i] for i in self.out_indices}
        x = self.run_stem(x, self.plan.stem)
        for i, (blocks, plans) in enumerate(zip(self.stages, self.plan.stages)):
            x = self._run_stage(blocks, plans, x)
            if i in outputs:
                maps.append(x)
        return self.end_outputs(maps)

    def _run_stage(self, blocks: nn.ModuleList, plans: tuple, x: torch.Tensor) -> torch.Tensor:
        tokens, grid = None, None
        for block, plan in zip(blocks, plans):  # zip stops at the depth: there is a plan per block
            if isinstance(plan, MBConvPlan):
                x = self.run_block(block, x, plan)
                continue
            if tokens is None:
                grid = tuple(x.shape[2:])
                # As maps have them they would be a channel's width apart in all that follows.
                tokens = x.flatten(2).transpose(1, 2).contiguous()  # (N, H * W, C)
            tokens = self.run_block(block, tokens, plan, grid, self.attention)
        if tokens is None:
            return x
        return tokens.transpose(1, 2).reshape(-1, tokens.shape[-1], *grid)  # (N, C, H, W)
