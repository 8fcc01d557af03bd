"""The Twins-like ViTAS nets: a pyramid of stages with local and reduced global attention.

There is one definition: built for a space it is the supernet, built for an architecture it is the
deployable backbone.  The layers are Twins-SVT's (Chu et al., NeurIPS 2021), and its three nets are
members of the space.  Sharing follows the DeiT-like nets: query and key are private to the head
number; v, projection, MLP and norms are shared.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm.backbones import Block, ElasticHead, SharedWeightBackbone, register_backbone
from nasvit_mm.families.vitas_twins import space as facts
from nasvit_mm.nn import (
    ElasticChoice,
    ElasticConv2d,
    ElasticDepthwiseConv2d,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticMlp,
    Span,
    TransformerBlock,
    attend,
    init_linear,
    join_windows,
    split_windows,
    window_mask,
)
from nasvit_mm.spaces import IDENTITY, Arch

BLOCK_EPS, EMBED_EPS = 1e-6, 1e-5  # the norms' eps, which differ in the authors' code


class BlockPlan(NamedTuple):
    """The spans of a block."""

    channels: Span
    heads: int
    rows: Span  # rows of the weights of q and of k
    inner: Span  # channels of v
    hidden: Span  # hidden features of the MLP
    drop: float


class StagePlan(NamedTuple):
    """The spans of a stage."""

    cin: Span
    channels: Span
    blocks: tuple[tuple[int, BlockPlan], ...]  # (slot, its plan), without identities


class TwinsPlan(NamedTuple):
    """The spans of the whole network."""

    stages: tuple[StagePlan, ...]

    @property
    def head(self) -> Span:
        """Return the channels that the classification head reads."""
        return self.stages[-1].channels


class Attention(nn.Module):
    """Base of both attentions: query and key private to the head number, v shared.

    Args:
        width: maximum token width.
        heads: choices of the head number.
        head_dim: maximum channels per head.
    """

    def __init__(self, width: int, heads: tuple[int, ...], head_dim: int) -> None:
        super().__init__()
        self.q = ElasticChoice(heads, lambda h: ElasticLinear(width, h * head_dim))
        self.k = ElasticChoice(heads, lambda h: ElasticLinear(width, h * head_dim))
        self.v = ElasticLinear(width, max(heads) * head_dim)
        self.proj = ElasticLinear(max(heads) * head_dim, width)

    def _keys_values(self, x: torch.Tensor, plan: BlockPlan) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            self.k[plan.heads](x, plan.channels, plan.rows),
            self.v(x, plan.channels, plan.inner),
        )

    @staticmethod
    def _attend(
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        heads: int,
        padding: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Attend from queries (N, L, heads * D) to keys and values (N, K, heads * D)."""
        # (N, L, heads * D) -> (N, heads, L, D)
        q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
        out = attend(q * q.shape[-1] ** -0.5, k, v, padding=padding)
        return out.transpose(1, 2).flatten(2)  # (N, L, heads * D)


class LocalAttention(Attention):
    """Attention in windows of 7 x 7; tokens that pad the last windows are not keys.

    With ``masked=False`` the padding tokens, which are zeros, take part, as in the authors'
    detection code.
    """

    def forward(
        self, x: torch.Tensor, plan: BlockPlan, grid: tuple[int, int], masked: bool
    ) -> torch.Tensor:
        """Map (B, H * W, C) to the same shape."""
        side = (facts.WINDOW, facts.WINDOW)
        if not masked:
            x = split_windows(x, grid, side)  # (B * windows, 49, C)
        q = self.q[plan.heads](x, plan.channels, plan.rows)
        k, v = self._keys_values(x, plan)
        if masked:
            q, k, v = (split_windows(t, grid, side) for t in (q, k, v))  # (B * windows, 49, inner)
        padding = window_mask(grid, side, x.device) if masked else None
        out = self._attend(q, k, v, plan.heads, padding)  # (B * windows, 49, inner)
        out = join_windows(out, grid, side)  # (B, H * W, inner)
        return self.proj(out, plan.inner, plan.channels)


class GlobalAttention(Attention):
    """Attention of all queries over keys and values on a grid reduced by a convolution."""

    def __init__(self, width: int, heads: tuple[int, ...], head_dim: int, reduction: int) -> None:
        super().__init__(width, heads, head_dim)
        self.reduce = self.norm = None
        if reduction > 1:
            self.reduce = ElasticConv2d(width, width, reduction, reduction, bias=True, padding=0)
            self.norm = ElasticLayerNorm(width, EMBED_EPS)

    def forward(
        self, x: torch.Tensor, plan: BlockPlan, grid: tuple[int, int], masked: bool
    ) -> torch.Tensor:
        """Map (B, H * W, C) to the same shape."""
        reduced = x
        if self.reduce is not None:
            reduced = x.transpose(1, 2).unflatten(2, grid)  # (B, C, H, W)
            reduced = self.reduce(reduced, plan.channels, plan.channels)  # (B, C, H / r, W / r)
            reduced = reduced.flatten(2).transpose(1, 2)  # (B, K, C)
            reduced = self.norm(reduced, plan.channels)
        q = self.q[plan.heads](x, plan.channels, plan.rows)
        out = self._attend(q, *self._keys_values(reduced, plan), plan.heads)
        return self.proj(out, plan.inner, plan.channels)


class Embed(nn.Module):
    """The beginning of a stage: a convolution without overlap, then a norm."""

    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        self.proj = ElasticConv2d(cin, width, stride, stride, bias=True, padding=0)
        self.norm = ElasticLayerNorm(width, EMBED_EPS)

    def forward(
        self, x: torch.Tensor, cin: Span, channels: Span
    ) -> tuple[torch.Tensor, tuple[int, int]]:
        """Map (N, cin, H, W) to tokens (N, h w, C) and their grid (h, w), rounded down."""
        x = self.proj(x, cin, channels)  # (N, C, h, w)
        tokens = x.flatten(2).transpose(1, 2)  # (N, h w, C)
        return self.norm(tokens, channels), tuple(x.shape[2:])


@register_backbone
class TwinsViTAS(SharedWeightBackbone):
    """Twins-like ViTAS backbone; outputs 0..3 are the stages (/4, /8, /16, /32).

    It takes any height and width from 32 pixels on.  Local attention in windows of 7 x 7 and global
    attention with reduced keys are the same at any size, so ``attention`` changes nothing.

    Input (N, 3, H, W); output a tuple of (N, C_i, H_i, W_i), where every stage rounds down, as the
    authors' do: 200 x 296 gives 50 x 74, 25 x 37, 12 x 18, 6 x 9.  See :class:`ElasticBackbone`
    for the other arguments.

    Args:
        sharing: how a supernet's widths share channels: 'cyclic' (the default), 'bilateral' or
            'ordinal', see ``nasvit_mm.nn.sharing``; a checkpoint brings its own along.
        stage_norm: end every stage with a LayerNorm, as the authors' dense models do; the next
            stage takes the normalised tokens.  Their classifiers, and timm's, have none.
        mask_padding: whether tokens that pad the last windows are masked as keys.  The authors'
            detection models do not mask them.
    """

    spaces = ('vitas_twins',)
    strides = facts.STRIDES
    stage_names = facts.STAGE_NAMES
    new_weights = ('taps.', 'stage_norms.')
    ways = ('mask_padding',)
    input_convs = ('embeds.0.',)
    min_size = facts.MIN_SIZE
    max_resolution = facts.TRAINED_RESOLUTION

    def __init__(
        self, *args: Any, stage_norm: bool = False, mask_padding: bool = True, **options: Any
    ) -> None:
        self.stage_norm, self.mask_padding = stage_norm, mask_padding
        super().__init__(*args, **options)
        self.options.update(stage_norm=stage_norm, mask_padding=mask_padding)

    @property
    def cost_options(self) -> dict[str, Any]:
        return dict(stage_norm=self.stage_norm)

    def build(self) -> None:
        field = self.space.field
        widths = [max(c) for c in field('width').choices]
        self.embeds, self.stages, self.pegs = (nn.ModuleList() for _ in range(3))
        for i, stage in enumerate(facts.STAGES[: self.out_indices[-1] + 1]):
            cin, width = (widths[i - 1] if i else self.in_channels), widths[i]
            self.embeds.append(Embed(cin, width, stage.stride))
            self.stages.append(
                nn.ModuleList(
                    self._block(j, slot, width, stage.reduction)
                    for j, slot in enumerate(facts.GROUPS[i])
                )
            )
            self.pegs.append(ElasticDepthwiseConv2d(width, 3, bias=True))
        self.stage_norms = nn.ModuleList(
            ElasticLayerNorm(width, BLOCK_EPS)
            for width in widths[: len(self.stages)]
            if self.stage_norm
        )
        init_linear(self)

    def _block(self, place: int, slot: int, width: int, reduction: int) -> nn.Module:
        heads, dims, hidden = (
            self.space.field(name).choices[slot] for name in ('heads', 'head_dim', 'mlp_width')
        )
        numbers = tuple(h for h in heads if h != IDENTITY)
        if not numbers:
            return nn.Identity()
        attention = (
            LocalAttention(width, numbers, max(dims))
            if facts.is_local(place)
            else GlobalAttention(width, numbers, max(dims), reduction)
        )
        return TransformerBlock(
            ElasticLayerNorm(width, BLOCK_EPS),
            attention,
            ElasticLayerNorm(width, BLOCK_EPS),
            ElasticMlp(width, max(hidden), F.gelu),
        )

    def plan_of(self, arch: Arch) -> TwinsPlan:
        stages, cin = [], Span.whole(self.in_channels)
        groups = facts.GROUPS[: self.out_indices[-1] + 1]
        real = [slot for group in groups for slot in group if arch.heads[slot] != IDENTITY]
        rates = {
            slot: self.drop_path_rate * i / max(1, len(real) - 1) for i, slot in enumerate(real)
        }
        for i, group in enumerate(groups):
            channels = self.shared(self.space.field('width').choices[i], arch.width[i])
            stages.append(
                StagePlan(
                    cin,
                    channels,
                    tuple(
                        (j, self._block_plan(arch, slot, channels, rates[slot]))
                        for j, slot in enumerate(group)
                        if slot in rates
                    ),
                )
            )
            cin = channels
        return TwinsPlan(tuple(stages))

    def _block_plan(self, arch: Arch, slot: int, channels: Span, drop: float) -> BlockPlan:
        heads, dim = arch.heads[slot], arch.head_dim[slot]
        numbers, dims, hidden = (
            self.space.field(name).choices[slot] for name in ('heads', 'head_dim', 'mlp_width')
        )
        # v serves all head numbers, so its candidates are all pairs of a number and a dimension.
        pairs = sorted((h * d, h, d) for h in numbers if h != IDENTITY for d in dims)
        inner = self.span_of([p[0] for p in pairs], pairs.index((heads * dim, heads, dim)))
        return BlockPlan(
            channels,
            heads,
            self.shared([heads * d for d in dims], heads * dim),
            inner,
            self.shared(hidden, arch.mlp_width[slot]),
            drop,
        )

    def output_spans(self, plan: TwinsPlan) -> list[Span]:
        return [plan.stages[i].channels for i in self.out_indices]

    def blocks_of(self, arch: Any) -> list[Block]:
        plan = self.plan_of(self.space.arch(arch))
        return [
            Block.of(
                f'stage{i}.{"local" if facts.is_local(j) else "global"}',
                block,
                f'{facts.STAGE_NAMES[i]}.{j}',
            )
            for i, stage in enumerate(plan.stages)
            for j, block in stage.blocks
        ]

    def stem_and_stages(self) -> list[nn.Module]:
        stages = [nn.ModuleList([blocks, peg]) for blocks, peg in zip(self.stages, self.pegs)]
        for i, embed in enumerate(self.embeds):
            if i:
                stages[i].append(embed)
        return [self.embeds[0], *stages]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map (N, 3, H, W) to a tuple of one map per output."""
        x = self.checked(x)
        maps = []
        for i, plan in enumerate(self.plan.stages):
            tokens, grid = self.embeds[i](x, plan.cin, plan.channels)
            for j, block in plan.blocks:
                tokens = self.run_block(self.stages[i][j], tokens, block, grid, self.mask_padding)
                if j == 0:  # the convolutional position encoding
                    x = tokens.transpose(1, 2).unflatten(2, grid)  # (N, C, h, w)
                    x = self.pegs[i](x, plan.channels)
                    tokens = tokens + x.flatten(2).transpose(1, 2)  # (N, h w, C)
            if self.stage_norm:
                tokens = self.stage_norms[i](tokens, plan.channels)
            x = tokens.transpose(1, 2).unflatten(2, grid)  # (N, C, h, w)
            if i in self.out_indices:
                maps.append(x)
        return self.end_outputs(maps)


class TwinsViTASHead(ElasticHead):
    """The classification head: norm, mean over the tokens, linear."""

    def __init__(self, backbone: TwinsViTAS, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        width = backbone.plan.head.size
        self.norm = ElasticLayerNorm(width, BLOCK_EPS)
        self.end(width, num_classes, dropout)

    def init_classifier(self, classifier: nn.Module) -> None:
        init_linear(classifier)

    def pool(self, x: torch.Tensor, plan: Span) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C)."""
        x = x.flatten(2).transpose(1, 2)  # (N, H * W, C)
        return self.norm(x, plan).mean(1)
