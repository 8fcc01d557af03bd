"""NASViT (ICLR 2022): MBConv stages, then stages of one MBConv and transformer blocks.

There is one definition: built for a space it is the supernet, built for an architecture it is the
deployable backbone.  It is written from the facts of the paper and of its released checkpoint; what
looks odd (the norm over tokens and channels, residual sums around every MBConv, layer scales
switched by depth and token count, the second MLP first) is what that checkpoint was trained with.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import drop_path
from torch import nn

from nasvit_mm.backbones import ElasticHead, HybridBackbone, Plan, register_backbone
from nasvit_mm.families.nasvit import space as facts
from nasvit_mm.nn import (
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticDepthwiseConv2d,
    ElasticLinear,
    ElasticMlp,
    ElasticScale,
    ElasticTokenNorm,
    MBConv,
    MBConvPlan,
    RelativePositionBias,
    Span,
    attend_by_rows,
    is_exporting,
    join_windows,
    split_windows,
    take,
    window_mask,
)
from nasvit_mm.spaces import Arch
from nasvit_mm.spaces.geometry import window_side

SCALE_INIT, SCALE_GAIN = 1e-4, 8  # layer scales start at 1e-4, times 8 / width


class TransformerPlan(NamedTuple):
    """The spans of a transformer block."""

    channels: Span
    depth: Span  # layer-scale entry of the stage's depth
    row: Span  # layer-scale entry of the training resolution
    tokens: int  # number of tokens at the training resolution
    drop: float

    UNTIMED = ('depth', 'row', 'tokens')


class Attention(nn.Module):
    """Talking-head attention with a depthwise 3x3 on v; 8 channels a head for q and k, 32 for v.

    The authors add a bias to the probabilities after the softmax, so every key's v enters with that
    extra weight, and their sum grows with the number of keys: a net trained at 12 x 12 tokens
    computes another function at 16 x 16.  Here the bias is multiplied by trained tokens / keys,
    which is 1 at the training resolution and keeps the sum's size at any other.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        heads, value_width = width // facts.HEAD_DIM, width * facts.V_RATIO
        self.q = ElasticLinear(width, width)
        self.k = ElasticLinear(width, width)
        self.v = ElasticLinear(width, value_width)
        self.v_conv = ElasticDepthwiseConv2d(value_width, 3)
        self.position = RelativePositionBias(facts.TABLE_GRID, heads)
        self.talk_before = ElasticLinear(heads, heads)
        self.talk_after = ElasticLinear(heads, heads)
        self.proj = ElasticLinear(value_width, width)

    def forward(
        self, x: torch.Tensor, channels: Span, grid: tuple[int, int], mode: str, trained: int
    ) -> torch.Tensor:
        """Map tokens (B, H * W, C) on a grid (H, W) to the same shape.

        Args:
            trained: number of tokens at the training resolution.
        """
        heads, wide = channels.divided(facts.HEAD_DIM), channels.scaled(facts.V_RATIO)
        side = grid if mode == 'global' else tuple(window_side(n, facts.TABLE_GRID) for n in grid)
        # N = B * windows, L tokens in each.
        q = split_windows(self.q(x, channels, channels), grid, side)  # (N, L, C)
        k = split_windows(self.k(x, channels, channels), grid, side)  # (N, L, C)
        v = self.v(x, channels, wide).view(-1, *grid, wide.width)  # (B, H, W, 4 C)
        v = self.v_conv(v.permute(0, 3, 1, 2), wide).permute(0, 2, 3, 1)  # (B, H, W, 4 C)
        v = v.reshape(-1, grid[0] * grid[1], wide.width)  # (B, H * W, 4 C)
        v = split_windows(v, grid, side)  # (N, L, 4 C)
        mask = window_mask(grid, side, x.device)
        out = self._attend(q, k, v, heads, side, mask, trained)
        return self.proj(F.silu(join_windows(out, grid, side)), wide, channels)

    def _attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        heads: Span,
        side: tuple[int, int],
        mask: torch.Tensor | None,
        trained: int,
    ) -> torch.Tensor:
        """Map q, k (N, L, C) and v (N, L, 4 C) to (N, L, 4 C).

        N counts windows of all images, L = h * w is the number of tokens in one.
        """
        tokens, h = side[0] * side[1], heads.width
        q = q.view(-1, tokens, h, facts.HEAD_DIM).transpose(1, 2)  # (N, h, L, 8)
        q = q * facts.HEAD_DIM**-0.5
        k = k.view(-1, tokens, h, facts.HEAD_DIM).permute(0, 2, 3, 1)  # (N, h, 8, L)
        v = v.view(-1, tokens, h, facts.HEAD_DIM * facts.V_RATIO).transpose(1, 2)  # (N, h, L, 32)
        bias, spread = self.position(side, heads), trained / tokens  # bias: (h, L, L)
        if mask is not None:
            # (windows, L) -> (N, 1, 1, L): every image of the batch has the same windows.
            mask = mask.repeat(q.shape[0] // mask.shape[0], 1)[:, None, None]
            # (N, 1, 1), by the real keys of each window; of half tensors half too.
            spread = (trained / (~mask).sum(-1)).to(bias.dtype)
        out = attend_by_rows(
            lambda rows: self._rows(q[:, :, rows], k, v, bias[:, rows], heads, mask, spread),
            tokens,
            q.shape[0] * h * tokens,
        )
        return out.transpose(1, 2).reshape(-1, tokens, h * v.shape[-1])  # (N, L, h * 32)

    def _rows(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        bias: torch.Tensor,
        heads: Span,
        mask: torch.Tensor | None,
        spread: Any,
    ) -> torch.Tensor:
        """Compute the attention of some queries, (N, h, rows, 32)."""
        scores = _talk(q @ k + bias, self.talk_before, heads)  # (N, h, rows, L)
        if mask is not None:
            # Padded keys get probability zero; the bias of talk_after reaches only their zero v.
            scores = scores.masked_fill(mask, float('-inf'))
        return _talk(scores.softmax(-1), self.talk_after, heads, spread) @ v


def _talk(
    scores: torch.Tensor, linear: ElasticLinear, heads: Span, spread: Any = 1
) -> torch.Tensor:
    """Apply a linear layer over the head axis of (N, h, rows, L), its bias times ``spread``.

    Args:
        spread: a number, or one for each window: (N, 1, 1).
    """
    weight, bias = take(linear.weight, heads, heads), take(linear.bias, heads)
    bias = bias[None, :, None] * spread  # (1 or N, h, 1)
    if is_exporting():
        # Runtimes fuse, and quantise, a 1x1 convolution over the heads; a product with expanded
        # weights they do not.
        return F.conv2d(scores, weight[:, :, None, None]) + bias[..., None]
    n, h, rows, tokens = scores.shape
    scores = scores.flatten(2)  # (N, h, rows * L)
    mixed = torch.baddbmm(bias, weight.expand(n, h, h), scores)
    return mixed.view(n, h, rows, tokens)  # (N, h, rows, L)


class TransformerBlock(nn.Module):
    """Attention and two MLPs, each with a norm before and a switchable layer scale after it.

    ``norm3`` / ``mlp2`` run before ``norm2`` / ``mlp1``, and both MLPs share a scale.
    """

    def __init__(self, width: int, depths: int, rows: int) -> None:
        super().__init__()
        self.norm1 = ElasticTokenNorm(width)
        self.attn = Attention(width)
        self.norm2 = ElasticTokenNorm(width)
        self.mlp1 = ElasticMlp(width, width, F.silu)
        self.norm3 = ElasticTokenNorm(width)
        self.mlp2 = ElasticMlp(width, width, F.silu)
        self.scale_attn = ElasticScale(depths, rows, width, SCALE_INIT, SCALE_GAIN)
        self.scale_mlp = ElasticScale(depths, rows, width, SCALE_INIT, SCALE_GAIN)

    def forward(
        self, x: torch.Tensor, plan: TransformerPlan, grid: tuple[int, int], mode: str
    ) -> torch.Tensor:
        """Map (B, H * W, C) to the same shape; tokens are row-major on the grid (H, W)."""
        channels, depth, row, trained, drop = plan
        scale = self.scale_attn(depth, row, channels)
        y = self.attn(self.norm1(x, channels), channels, grid, mode, trained)
        x = self._add(x, scale, y, drop)
        scale = self.scale_mlp(depth, row, channels)
        x = self._add(x, scale, self.mlp2(self.norm3(x, channels), channels, channels), drop)
        return self._add(x, scale, self.mlp1(self.norm2(x, channels), channels, channels), drop)

    @torch.no_grad()
    def become_identity(self) -> None:
        """Set the layer scales to zero; all before them keeps its weights."""
        self.scale_attn.weight.zero_()
        self.scale_mlp.weight.zero_()

    def _add(
        self, x: torch.Tensor, scale: torch.Tensor, branch: torch.Tensor, drop: float
    ) -> torch.Tensor:
        if drop:
            branch = drop_path(branch, drop, self.training)
        return torch.addcmul(x, scale, branch)


@register_backbone
class NASViT(HybridBackbone):
    """NASViT backbone; outputs 0..4 are mb2 (/4), mb3 (/8), mb4 (/16), mb6 (/32), mb7 (/64).

    It takes any height and width from 32 pixels on.  The layer-scale row is that of the
    architecture's training resolution, whatever the input size.  See :class:`ElasticBackbone` for
    the arguments.

    Input (N, 3, H, W); output a tuple of (N, C_i, ceil(H / s_i), ceil(W / s_i)).
    """

    spaces = ('nasvit',)
    strides = facts.OUTPUT_STRIDES
    output_stages = facts.OUTPUT_STAGES
    stage_names = facts.STAGE_NAMES
    min_size = facts.MIN_SIZE
    max_resolution = facts.TRAINED_RESOLUTIONS[-1]

    def build(self) -> None:
        space, top = self.space, self.space.largest
        plan = self.plan_of(top)
        rows, depths = facts.scale_rows(space), space.field('depth').choices
        widths, kernels = space.field('width').choices, top.kernel_size
        self.stem = ElasticConv2d(self.in_channels, plan.stem.size, 3, stride=2)
        self.stem_bn = self.make_norm(plan.stem.size)
        self.stages = nn.ModuleList()
        for i, stage in enumerate(facts.STAGES[: self.num_stages]):
            blocks = nn.ModuleList()
            # The 1x1 shortcut exists only if incoming and outgoing widths can differ.
            differ = len({*widths[i], *widths[i + 1]}) > 1
            for j, block in enumerate(plan.stages[i]):
                if isinstance(block, TransformerPlan):
                    blocks.append(
                        TransformerBlock(block.channels.size, len(depths[i]), len(rows[i]))
                    )
                else:
                    blocks.append(
                        MBConv(
                            block,
                            kernels[i],
                            stage.stride if j == 0 else 1,
                            expands=stage.expands,
                            shortcut=differ and j == 0,
                            norm=self.make_norm,
                            activation=F.silu,
                            starts_as_identity=True,
                        )
                    )
            self.stages.append(blocks)

    def plan_of(self, arch: Arch) -> Plan:
        space, top = self.space, self.space.largest
        rows, depths = facts.scale_rows(space), space.field('depth').choices
        cin = Span.prefix(arch.width[0], top.width[0])
        stem, stages, position = cin, [], 0
        total = max(1, sum(arch.depth[: self.num_stages]) - 1)
        for i, stage in enumerate(facts.STAGES[: self.num_stages]):
            cout = Span.prefix(arch.width[i + 1], top.width[i + 1])
            depth = Span(depths[i].index(arch.depth[i]), 1, len(depths[i]))
            tokens = facts.stage_sizes(arch.resolution)[i + 1] ** 2
            row = Span(rows[i].index(facts.scale_row(arch.resolution, i)), 1, len(rows[i]))
            blocks: list[MBConvPlan | TransformerPlan] = []
            for j in range(arch.depth[i]):
                drop = self.drop_path_rate * position / total
                position += 1
                if j and stage.transformer:
                    blocks.append(TransformerPlan(cout, depth, row, tokens, drop))
                    continue
                source = cout if j else cin
                hidden, squeezed = source, None
                if stage.expands:
                    hidden = Span.prefix(
                        facts.hidden_width(source.width, arch.expand_ratio[i]),
                        facts.hidden_width(source.size, top.expand_ratio[i]),
                    )
                if stage.se:
                    squeezed = Span.prefix(
                        facts.se_width(hidden.width), facts.se_width(hidden.size)
                    )
                blocks.append(MBConvPlan(source, hidden, squeezed, cout, arch.kernel_size[i], drop))
            stages.append(tuple(blocks))
            cin = cout
        head = tuple(Span.prefix(arch.width[i], top.width[i]) for i in (7, 8))
        return Plan(stem, tuple(stages), head)

    def stem_and_stages(self) -> list[nn.Module]:
        return [nn.ModuleList([self.stem, self.stem_bn]), *self.stages]

    def run_stem(self, x: torch.Tensor, plan: Span) -> torch.Tensor:
        return F.silu(self.stem_bn(self.stem(x, Span.whole(self.in_channels), plan), plan))


class NASViTHead(ElasticHead):
    """The classification head: 1x1 to six times the width, pooling, 1x1, classifier."""

    def __init__(self, backbone: NASViT, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        top = backbone.space.largest
        width, last = top.width[7], top.width[8]
        self.expand = ElasticConv2d(width, width * facts.HEAD_EXPAND)
        self.expand_bn: ElasticBatchNorm2d = backbone.make_norm(width * facts.HEAD_EXPAND)
        self.mix = ElasticLinear(width * facts.HEAD_EXPAND, last, bias=False)
        self.end(last, num_classes, dropout)

    def pooled_span(self, plan: tuple[Span, Span]) -> Span:
        return plan[1]

    def pool(self, x: torch.Tensor, plan: tuple[Span, Span]) -> torch.Tensor:
        """Map (N, C, H, W) to (N, last).

        Args:
            plan: spans of the last stage and of the last linear layer.
        """
        channels, last = plan
        wide = channels.scaled(facts.HEAD_EXPAND)
        x = F.silu(self.expand_bn(self.expand(x, channels, wide), wide))  # (N, 6 C, H, W)
        return F.silu(self.mix(x.mean((2, 3)), wide, last))  # (N, last)
