"""ElasticViT (ICCV 2023): convolutional stages, then stages of an IB entry and transformers.

There is one definition: built for a space it is the supernet, built for an architecture it is the
deployable backbone.  It is written from the facts of the paper and of the released code; what looks
odd (the norm over tokens and channels, the query, key and value rows read head by head across their
areas, the activation before the projection) is what the released weights were trained with.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm.backbones import ElasticHead, HybridBackbone, Plan, register_backbone
from nasvit_mm.families.elasticvit import space as facts
from nasvit_mm.nn import (
    AxisSpan,
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticDepthwiseConv2d,
    ElasticLinear,
    ElasticMlp,
    ElasticTokenNorm,
    MBConv,
    MBConvPlan,
    RelativePositionBias,
    Span,
    TransformerBlock,
    attend,
    join_windows,
    joined,
    split_windows,
    window_mask,
)
from nasvit_mm.spaces import Arch
from nasvit_mm.spaces.geometry import window_side

FIRST_TRANSFORMER = len(facts.CONV_STAGES)


class TransformerPlan(NamedTuple):
    """The spans of a transformer block."""

    channels: Span
    values: Span  # channels of all heads' v
    rows: AxisSpan  # rows of the joint query-key-value weight
    hidden: Span  # hidden features of the MLP
    drop: float


class StemPlan(NamedTuple):
    """The spans of the stem."""

    channels: Span
    blocks: tuple[MBConvPlan, ...]


class Attention(nn.Module):
    """Attention with 16 channels of q and k per head and a depthwise 3x3 on v.

    The joint weight holds three areas of rows, for q, k and v.  The active rows of all areas are
    concatenated and read head by head: each head takes its q, k and v from the next rows.  So a row
    serves as q, k or v depending on the number of heads and the width of v.  The released weights
    were trained this way.
    """

    def __init__(self, widths: TransformerPlan, table: int) -> None:
        super().__init__()
        width, wide = widths.channels.size, widths.values.size
        self.table = table
        self.qkv = ElasticLinear(width, 2 * width + wide, bias=False)
        self.v_conv = ElasticDepthwiseConv2d(wide, 3)
        self.position = RelativePositionBias(table, width // facts.HEAD_DIM)
        self.proj = ElasticLinear(wide, width)

    def forward(
        self, x: torch.Tensor, plan: TransformerPlan, grid: tuple[int, int], mode: str
    ) -> torch.Tensor:
        """Map tokens (B, H * W, C) on a grid (H, W) to the same shape."""
        channels, values = plan.channels, plan.values
        heads = channels.divided(facts.HEAD_DIM)
        h, head, wide = heads.width, facts.HEAD_DIM, values.width // heads.width
        side = grid if mode == 'global' else tuple(window_side(n, self.table) for n in grid)
        # d = head and e = wide channels a head of q, k and of v; N = B * windows, L tokens in each.
        qkv = self.qkv(x, channels, plan.rows).unflatten(-1, (h, 2 * head + wide))
        qk, v = qkv.split([2 * head, wide], -1)  # (B, H * W, h, 2 d), (B, H * W, h, e)
        v = v.flatten(2).transpose(1, 2).unflatten(-1, grid)  # (B, h * e, H, W)
        v = self.v_conv(v, values).flatten(2).transpose(1, 2)  # (B, H * W, h * e)
        qk = split_windows(qk.flatten(2), grid, side)  # (N, L, h * 2 d)
        v = split_windows(v, grid, side)  # (N, L, h * e)
        tokens = side[0] * side[1]
        q, k = qk.view(-1, tokens, h, 2 * head).transpose(1, 2).split(head, -1)  # (N, h, L, d)
        v = v.view(-1, tokens, h, wide).transpose(1, 2)  # (N, h, L, e)
        out = attend(
            q * head**-0.5, k, v, self.position(side, heads), window_mask(grid, side, x.device)
        )
        out = join_windows(out.transpose(1, 2).flatten(2), grid, side)  # (B, H * W, h * e)
        return self.proj(F.hardswish(out), values, channels)


@register_backbone
class ElasticViT(HybridBackbone):
    """ElasticViT backbone; outputs 0..4 are stage0 (/4), 1 (/8), 3 (/16), 4 (/32), 5 (/64).

    It takes any height and width from 32 pixels on.  The position tables cover grids of up to 16,
    16, 8 and 4 tokens a side (256 pixels); ``attention`` decides what happens beyond.  See
    :class:`ElasticBackbone` for the arguments.

    Input (N, 3, H, W); output a tuple of (N, C_i, ceil(H / s_i), ceil(W / s_i)).
    """

    spaces = ('elasticvit',)
    strides = facts.OUTPUT_STRIDES
    output_stages = facts.OUTPUT_STAGES
    stage_names = facts.STAGE_NAMES
    min_size = facts.MIN_SIZE
    max_resolution = facts.TRAINED_RESOLUTIONS[-1]

    def build(self) -> None:
        top = self.space.largest
        plan = self.plan_of(top)
        widths = self.space.field('width').choices
        stem, kernels = plan.stem.channels.size, top.kernel_size
        self.stem = ElasticConv2d(self.in_channels, stem, 3, stride=2)
        self.stem_bn = self.make_norm(stem)
        self.stem_blocks = nn.ModuleList(
            self._mbconv(block, kernels[0], 1, expands=False) for block in plan.stem.blocks
        )
        self.stages = nn.ModuleList()
        for i, stage in enumerate(facts.STAGES[: self.num_stages]):
            # The 1x1 shortcut exists only if incoming and outgoing widths can differ.
            differ = len({*widths[i], *widths[i + 1]}) > 1
            kernel = facts.ENTRY_KERNEL if stage.transformer else kernels[i + 1]
            blocks = nn.ModuleList()
            for j, block in enumerate(plan.stages[i]):
                if isinstance(block, TransformerPlan):
                    blocks.append(self._transformer(block, facts.TABLE_GRIDS[stage.name]))
                else:
                    blocks.append(
                        self._mbconv(
                            block, kernel, stage.stride if j == 0 else 1, shortcut=differ and j == 0
                        )
                    )
            self.stages.append(blocks)

    def _mbconv(
        self,
        plan: MBConvPlan,
        kernel: int,
        stride: int,
        expands: bool = True,
        shortcut: bool = False,
    ) -> MBConv:
        return MBConv(
            plan,
            kernel,
            stride,
            expands=expands,
            shortcut=shortcut,
            norm=self.make_norm,
            activation=F.hardswish,
            starts_as_identity=stride == 1,
        )

    @staticmethod
    def _transformer(plan: TransformerPlan, table: int) -> TransformerBlock:
        width = plan.channels.size
        return TransformerBlock(
            ElasticTokenNorm(width),
            Attention(plan, table),
            ElasticTokenNorm(width),
            ElasticMlp(width, plan.hidden.size, F.hardswish),
        )

    def plan_of(self, arch: Arch) -> Plan:
        top = self.space.largest
        width = [Span.prefix(w, size) for w, size in zip(arch.width, top.width)]
        count = arch.depth[0] + sum(arch.depth[1 : self.num_stages + 1])
        drops = iter(self.drop_path_rate * i / max(1, count - 1) for i in range(count))
        stem = StemPlan(
            width[0],
            tuple(
                MBConvPlan(width[0], width[0], None, width[0], arch.kernel_size[0], next(drops))
                for _ in range(arch.depth[0])
            ),
        )
        stages = []
        for i, stage in enumerate(facts.STAGES[: self.num_stages]):
            cin, cout, depth = width[i], width[i + 1], arch.depth[i + 1]
            if stage.transformer:
                j = i - FIRST_TRANSFORMER
                rates = [next(drops) for _ in range(depth)]
                # The entry belongs to the first block and is never dropped.
                entry = self._ib_plan(
                    stage, cin, cout, (facts.ENTRY_EXPAND,) * 2, facts.ENTRY_KERNEL, 0.0
                )
                block = self._transformer_plan(
                    cout, (arch.v_scale[j], top.v_scale[j]), (arch.mlp_ratio[j], top.mlp_ratio[j])
                )
                stages.append((entry, *(block._replace(drop=rate) for rate in rates)))
            else:
                expand = arch.expand_ratio[i], top.expand_ratio[i]
                stages.append(
                    tuple(
                        self._ib_plan(
                            stage,
                            cout if j else cin,
                            cout,
                            expand,
                            arch.kernel_size[i + 1],
                            next(drops),
                        )
                        for j in range(depth)
                    )
                )
        return Plan(stem, tuple(stages), width[-1])

    @staticmethod
    def _ib_plan(
        stage: facts.Stage, cin: Span, cout: Span, expand: tuple[int, int], kernel: int, drop: float
    ) -> MBConvPlan:
        """Return the spans of an IB block; ``expand`` is (active, largest)."""
        hidden = Span.prefix(cin.width * expand[0], cin.size * expand[1])
        squeezed = None
        if stage.se:
            squeezed = Span.prefix(hidden.width // facts.SE_RATIO, hidden.size // facts.SE_RATIO)
        return MBConvPlan(cin, hidden, squeezed, cout, kernel, drop)

    @staticmethod
    def _transformer_plan(
        channels: Span, v_scale: tuple[int, int], mlp_ratio: tuple[int, int]
    ) -> TransformerPlan:
        """Return the spans of a block; ``v_scale`` and ``mlp_ratio`` are (active, largest)."""
        values = Span.prefix(channels.width * v_scale[0], channels.size * v_scale[1])
        hidden = Span.prefix(channels.width * mlp_ratio[0], channels.size * mlp_ratio[1])
        size = 2 * channels.size + values.size
        # The active rows are the first ones of each of the three areas.
        rows = joined(
            *channels.inside(0, size),
            *channels.inside(channels.size, size),
            *values.inside(2 * channels.size, size),
        )
        return TransformerPlan(channels, values, rows, hidden, 0.0)

    def stem_and_stages(self) -> list[nn.Module]:
        return [nn.ModuleList([self.stem, self.stem_bn, self.stem_blocks]), *self.stages]

    def run_stem(self, x: torch.Tensor, plan: StemPlan) -> torch.Tensor:
        x = self.stem(x, Span.whole(self.in_channels), plan.channels)
        x = F.hardswish(self.stem_bn(x, plan.channels))
        for block, spans in zip(self.stem_blocks, plan.blocks):
            x = self.run_block(block, x, spans)
        return x


class ElasticViTHead(ElasticHead):
    """The classification head: 1x1 to six times the width, pooling, linear, classifier."""

    def __init__(self, backbone: ElasticViT, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        width = backbone.space.largest.width[-1]
        self.expand = ElasticConv2d(width, width * facts.HEAD_EXPAND, bias=True)
        self.expand_bn: ElasticBatchNorm2d = backbone.make_norm(width * facts.HEAD_EXPAND)
        self.mix = ElasticLinear(width * facts.HEAD_EXPAND, facts.HEAD_WIDTH)
        self.end(facts.HEAD_WIDTH, num_classes, dropout)

    def pooled_span(self, plan: Span) -> Span:
        return Span.whole(facts.HEAD_WIDTH)

    def pool(self, x: torch.Tensor, plan: Span) -> torch.Tensor:
        """Map (N, C, H, W) to (N, 1984)."""
        channels, mixed = plan, self.pooled_span(plan)
        wide = channels.scaled(facts.HEAD_EXPAND)
        x = F.hardswish(self.expand_bn(self.expand(x, channels, wide), wide))  # (N, 6 C, H, W)
        return F.hardswish(self.mix(x.mean((2, 3)), wide, mixed))  # (N, 1984)
