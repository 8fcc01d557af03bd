"""Backbones whose stages begin on maps, with an MBConv, and go on over tokens."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn

from nasvit_mm.backbones.base import ElasticBackbone
from nasvit_mm.backbones.block import Block
from nasvit_mm.nn import MBConvPlan, Span


class Plan(NamedTuple):
    """Spans of the whole network."""

    stem: Any
    stages: tuple[tuple, ...]  # per active block an MBConvPlan or a plan of a transformer block
    head: Any  # of the classification head


class HybridBackbone(ElasticBackbone):
    """Base of NASViT and ElasticViT: stem, then ``stages`` of MBConvs followed by transformers."""

    output_stages: ClassVar[tuple[int, ...]]  # whose maps are outputs

    def run_stem(self, x: torch.Tensor, plan: Any) -> torch.Tensor:
        """(N, 3, H, W) -> map at stride 2."""
        raise NotImplementedError

    @property
    def num_stages(self) -> int:
        """Of the stages built: up to the last output."""
        return self.output_stages[self.out_indices[-1]] + 1

    def output_spans(self, plan: Plan) -> list[Span]:
        return [plan.stages[self.output_stages[i]][0].cout for i in self.out_indices]

    def blocks_of(self, arch: Any) -> list[Block]:
        plan = self.plan_of(self.space.arch(arch))
        # The stem's part of the cost holds its first convolution too, which is no block.
        stem = [Block.of('stem', block) for block in getattr(plan.stem, 'blocks', ())]
        return stem + [
            Block.of(f'stage{i}.{"rest" if j else "first"}', block, self.stage_names[i])
            for i, stage in enumerate(plan.stages[: self.num_stages])
            for j, block in enumerate(stage)
        ]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N, 3, H, W) -> one map per output."""
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
        for block, plan in zip(blocks, plans):  # the first of them: plans is as long as the depth
            if isinstance(plan, MBConvPlan):
                x = self.run_block(block, x, plan)
                continue
            if tokens is None:
                grid = tuple(x.shape[2:])
                tokens = x.flatten(2).transpose(1, 2)
            tokens = self.run_block(block, tokens, plan, grid, self.attention)
        if tokens is None:
            return x
        return tokens.transpose(1, 2).reshape(-1, tokens.shape[-1], *grid)
