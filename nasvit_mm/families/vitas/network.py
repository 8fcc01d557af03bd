"""The DeiT-like ViTAS nets (ECCV 2022): patches and a class token through blocks of one width.

There is one definition: built for a space it is the supernet, built for an architecture it is the
deployable backbone.  It is written from the facts of the paper and of its public code.  As in the
paper, each patch size has a private stem, class token and positions, and each head number a private
query and key; v, projection, MLP and norms are shared.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm.backbones import Block, ElasticHead, Rule, SharedWeightBackbone, register_backbone
from nasvit_mm.families.vitas import space as facts
from nasvit_mm.nn import (
    SHARING,
    AxisSpan,
    ElasticChoice,
    ElasticConv2d,
    ElasticLayerNorm,
    ElasticLayerNorm2d,
    ElasticLinear,
    ElasticMlp,
    ElasticUpsample2d,
    Span,
    TransformerBlock,
    attend,
    init_linear,
    join_windows,
    joined,
    resize_table,
    split_windows,
    take,
    window_mask,
)
from nasvit_mm.spaces import IDENTITY, Arch
from nasvit_mm.spaces.geometry import window_side

BLOCK_EPS, LAST_EPS = 1e-6, 1e-5  # the norms' eps, which differ in the authors' code


class BlockPlan(NamedTuple):
    """The spans of a block."""

    channels: Span
    heads: int
    inner: Span  # channels of q, of k and of v
    rows: AxisSpan  # rows of the joint query-key weight
    hidden: Span  # hidden features of the MLP
    scale: float  # scale of the scores
    drop: float


class ViTASPlan(NamedTuple):
    """The spans of the whole network."""

    patch_size: int
    channels: Span
    blocks: tuple[tuple[int, BlockPlan], ...]  # (slot, its plan), without identities

    @property
    def head(self) -> Span:
        """Return the channels that the classification head reads."""
        return self.channels


class PatchEmbed(nn.Module):
    """Patches and class token, with their positions; each patch size has its own.

    ``position`` has the class token's row first, then a grid of 224 / patch tokens a side, which is
    interpolated per axis for any other grid.
    """

    def __init__(self, patch_size: int, width: int, in_channels: int = 3) -> None:
        super().__init__()
        self.patch_size, self.grid = patch_size, facts.TRAINED_RESOLUTION // patch_size
        self.proj = ElasticConv2d(in_channels, width, patch_size, patch_size, bias=True, padding=0)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.position = nn.Parameter(torch.empty(1, self.grid**2 + 1, width))
        nn.init.normal_(self.cls_token, std=0.02)  # zeros in the public code
        nn.init.normal_(self.position, std=0.02)

    def forward(
        self, x: torch.Tensor, channels: Span, last_only: bool = False
    ) -> tuple[torch.Tensor, tuple[int, int]]:
        """Map (N, 3, H, W) to tokens (N, 1 + h w, C), the class token first, and their grid (h, w).

        Args:
            last_only: add the last position to every token, as the public supernet does.
        """
        height, width = x.shape[2:]
        pad = -height % self.patch_size, -width % self.patch_size
        if any(pad):
            x = F.pad(x, (0, pad[1], 0, pad[0]))
        x = self.proj(x, Span.whole(self.proj.in_channels), channels)  # (N, C, h, w)
        grid = tuple(x.shape[2:])
        first = take(self.cls_token, None, None, channels).expand(x.shape[0], -1, -1)  # (N, 1, C)
        position = take(self.position, None, None, channels)
        position = position[:, -1:] if last_only else self._resized(position, grid)
        tokens = torch.cat([first, x.flatten(2).transpose(1, 2)], 1)  # (N, 1 + h w, C)
        return tokens + position, grid

    @torch.no_grad()
    def imitate(self, other: PatchEmbed) -> None:
        """Take over the stem of another patch size, its kernels and positions resized.

        A patch of n times the pixels has kernels of 1/n the weight, so that the tokens keep their
        scale.
        """
        sides = (self.patch_size, self.patch_size)
        weight = F.interpolate(other.proj.weight, sides, mode='bicubic', align_corners=False)
        self.proj.weight.copy_(weight * (other.patch_size / self.patch_size) ** 2)
        self.proj.bias.copy_(other.proj.bias)
        self.cls_token.copy_(other.cls_token)
        self.position.copy_(other._resized(other.position, (self.grid, self.grid)))

    def _resized(self, position: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        if grid == (self.grid, self.grid):
            return position
        # g = self.grid
        table = position[:, 1:].transpose(1, 2).unflatten(2, (self.grid, self.grid))  # (1, C, g, g)
        table = resize_table(table, grid)  # (1, C, h, w)
        return torch.cat([position[:, :1], table.flatten(2).transpose(1, 2)], 1)  # (1, 1 + h w, C)


class Attention(nn.Module):
    """Attention with query and key private to the head number, and v shared.

    With windows a patch attends to its window and the class token; the class token attends to all.

    Args:
        width: maximum token width.
        inner: maximum width of q, of k and of v.
        heads: choices of the head number.
    """

    def __init__(self, width: int, inner: int, heads: tuple[int, ...]) -> None:
        super().__init__()
        self.qk = ElasticChoice(heads, lambda _: ElasticLinear(width, 2 * inner))
        self.v = ElasticLinear(width, inner)
        self.proj = ElasticLinear(inner, width)

    def forward(
        self, x: torch.Tensor, plan: BlockPlan, grid: tuple[int, int], window: int | None
    ) -> torch.Tensor:
        """Map (B, 1 + h w, C) to the same shape.

        Args:
            window: side of the largest window; None: global attention.
        """
        qk = self.qk[plan.heads](x, plan.channels, plan.rows)  # (B, L, heads * 2 D)
        q, k = qk.chunk(2, -1)  # (B, L, heads * D)
        v = self.v(x, plan.channels, plan.inner)  # (B, L, heads * D)
        # (B, L, heads * D) -> (B, heads, L, D)
        q, k, v = (t.unflatten(-1, (plan.heads, -1)).transpose(1, 2) for t in (q, k, v))
        side = grid if window is None else tuple(window_side(n, window) for n in grid)
        q = q * plan.scale
        out = attend(q, k, v) if side == grid else self._in_windows(q, k, v, grid, side)
        out = out.transpose(1, 2).flatten(2)  # (B, L, heads * D)
        return self.proj(out, plan.inner, plan.channels)

    @staticmethod
    def _in_windows(
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        grid: tuple[int, int],
        side: tuple[int, int],
    ) -> torch.Tensor:
        """Attend within windows, q, k and v being (B, heads, 1 + h w, D).

        The class token is a key in every window, and as a query attends to all tokens.
        """
        first = attend(q[:, :, :1], k, v)  # (B, heads, 1, D)
        queries, keys, values = (
            split_windows(t[:, :, 1:].flatten(0, 1), grid, side)[:, None] for t in (q, k, v)
        )  # (B * heads * windows, 1, L, D), with L patches in a window
        times = queries.shape[0] // (q.shape[0] * q.shape[1])  # windows of an image

        def with_first(windows: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            # (B * heads * windows, 1, 1, D)
            token = t[:, :, :1].flatten(0, 1).repeat_interleave(times, 0)[:, None]
            return torch.cat([token, windows], 2)  # (B * heads * windows, 1, 1 + L, D)

        padding = window_mask(grid, side, q.device)
        if padding is not None:
            padding = F.pad(padding, (1, 0))  # (windows, 1 + L): the class token is never padding
        out = attend(queries, with_first(keys, k), with_first(values, v), padding=padding)[:, 0]
        out = join_windows(out, grid, side).unflatten(0, q.shape[:2])  # (B, heads, h w, D)
        return torch.cat([first, out], 2)  # (B, heads, 1 + h w, D)


class PyramidLevel(nn.Module):
    """One output of a dense backbone: norm, then resizing to 4, 2, 1 or 1/2 times the patch grid.

    It is a feature pyramid like ViTDet's and mmseg's ``Feature2Pyramid``, with depthwise
    convolutions instead of full ones: those would cost more than many of the backbones here, and
    ``out_width`` mixes the channels.

    Args:
        index: index of the output; 0 is the finest.
        norm: whether it has its own norm (the last output uses the network's).
    """

    def __init__(self, width: int, index: int, norm: bool) -> None:
        super().__init__()
        self.index = index
        self.norm = ElasticLayerNorm(width, BLOCK_EPS) if norm else None
        if index < 2:
            self.up = ElasticUpsample2d(width)
        if index == 0:
            self.up_norm = ElasticLayerNorm2d(width, BLOCK_EPS)
            self.up2 = ElasticUpsample2d(width)

    def forward(self, tokens: torch.Tensor, channels: Span, grid: tuple[int, int]) -> torch.Tensor:
        """Map (B, h w, C) to (B, C, h', w')."""
        if self.norm is not None:
            tokens = self.norm(tokens, channels)
        x = tokens.transpose(1, 2).unflatten(2, grid)  # (B, C, h, w)
        if self.index < 2:
            x = self.up(x, channels)  # (B, C, 2 h, 2 w)
        if self.index == 0:
            x = self.up2(F.gelu(self.up_norm(x, channels)), channels)  # (B, C, 4 h, 4 w)
        return F.max_pool2d(x, 2, ceil_mode=True) if self.index == 3 else x


@register_backbone
class ViTAS(SharedWeightBackbone):
    """DeiT-like ViTAS backbone; outputs 0..3 at a quarter, a half, one and two times the patch.

    It takes any height and width from 32 pixels on: the image is padded to a multiple of the patch,
    and the positions are interpolated per axis.  Outputs are taken at even distances over the
    blocks, the last one after the last block, and a pyramid is synthesised (:class:`PyramidLevel`).
    The class token takes part in the attention but in no output.  ``attention='auto'`` is global,
    as these nets are trained at any size; 'window' limits it to windows of the trained grid.

    Input (N, 3, H, W); output a tuple of (N, C, ceil(H / s_i), ceil(W / s_i)), with s = 4, 8, 16,
    32 at patch 16.  See :class:`ElasticBackbone` for the other arguments.

    Args:
        sharing: how a supernet's widths share channels: 'cyclic' (the default), 'bilateral' or
            'ordinal', see ``nasvit_mm.nn.sharing``.
        qk_rows: where a supernet keeps the rows of q and k: 'separate' (the default), or 'joint':
            one span, so that a row is q in wide paths and k in narrow ones, as in the public code.
        attention_scale: the number whose root divides the scores: 'token_width' (the default) is
            floor(token width / heads), which the released nets were trained with; 'head_dim'; or a
            number (the public supernets use a third of their maximum width).
        last_position_only: add the last position to all tokens, as the public supernet does by
            mistake; it serves comparisons with that supernet.

    A checkpoint brings its own ``sharing``, ``qk_rows`` and ``attention_scale`` along.
    """

    RULES = {
        'sharing': Rule(SHARING, 'cyclic'),
        'qk_rows': Rule(('separate', 'joint'), 'separate'),
        'attention_scale': Rule(
            ('token_width', 'head_dim'), 'token_width', number=True, of_subnets=True
        ),
    }

    spaces = ('vitas_deit_small', 'vitas_deit_block', 'vitas_deit_base')
    strides = (4, 8, 16, 32)  # at patch 16
    new_weights = ('taps.', 'pyramid.')
    ways = ('last_position_only',)
    input_convs = ('stems.',)
    min_size = facts.MIN_SIZE
    max_resolution = facts.TRAINED_RESOLUTION

    def __init__(self, *args: Any, last_position_only: bool = False, **options: Any) -> None:
        self.last_position_only = last_position_only
        super().__init__(*args, **options)
        self.options['last_position_only'] = last_position_only

    @property
    def stage_names(self) -> tuple[str, ...]:
        return self.space.field('heads').positions

    def output_stride(self, index: int) -> float:
        """Return a stride for the active patch size: 3.5, 7, 14 or 28 at patch 14."""
        stride = self.plan.patch_size * self.strides[index] / 16
        return int(stride) if stride.is_integer() else stride

    def build(self) -> None:
        field = self.space.field
        width = max(field('width').choices[0])
        self.stems = ElasticChoice(
            field('patch_size').choices[0], lambda p: PatchEmbed(p, width, self.in_channels)
        )
        self.blocks = nn.ModuleList()
        for heads, inner, hidden in zip(
            field('heads').choices, field('qkv_width').choices, field('mlp_width').choices
        ):
            numbers = tuple(h for h in heads if h != IDENTITY)
            self.blocks.append(
                TransformerBlock(
                    ElasticLayerNorm(width, BLOCK_EPS),
                    Attention(width, max(inner) // 3, numbers),
                    ElasticLayerNorm(width, BLOCK_EPS),
                    ElasticMlp(width, max(hidden), F.gelu),
                )
                if numbers
                else nn.Identity()
            )
        self.norm = ElasticLayerNorm(width, LAST_EPS)
        self.pyramid = nn.ModuleDict(
            {
                str(i): PyramidLevel(width, i, norm=i != self.out_indices[-1])
                for i in self.out_indices
            }
        )
        init_linear(self)

    def plan_of(self, arch: Arch) -> ViTASPlan:
        field = self.space.field
        channels = self.shared(field('width').choices[0], arch.width)
        last = max(1, len(arch.heads) - 1)
        blocks = []
        for slot, heads in enumerate(arch.heads):
            if heads == IDENTITY:
                continue
            inner = self.shared(
                [width // 3 for width in field('qkv_width').choices[slot]],
                arch.qkv_width[slot] // 3,
            )
            hidden = self.shared(field('mlp_width').choices[slot], arch.mlp_width[slot])
            if self.active_rules['qk_rows'] == 'joint':
                rows: AxisSpan = inner.scaled(2)
            else:
                rows = joined(
                    *inner.inside(0, 2 * inner.size), *inner.inside(inner.size, 2 * inner.size)
                )
            blocks.append(
                (
                    slot,
                    BlockPlan(
                        channels,
                        heads,
                        inner,
                        rows,
                        hidden,
                        self._scale(arch.width, inner.width, heads),
                        self.drop_path_rate * slot / last,
                    ),
                )
            )
        return ViTASPlan(arch.patch_size, channels, tuple(blocks))

    def _scale(self, width: int, inner: int, heads: int) -> float:
        rule = self.active_rules['attention_scale']
        if rule == 'token_width':
            rule = width // heads
        return (inner // heads if rule == 'head_dim' else rule) ** -0.5

    def output_spans(self, plan: ViTASPlan) -> list[Span]:
        return [plan.channels] * len(self.out_indices)

    def output_module(self, index: int) -> str:
        return f'pyramid.{index}'

    def blocks_of(self, arch: Any) -> list[Block]:
        plan = self.plan_of(self.space.arch(arch))
        return [
            Block.of(f'patch{plan.patch_size}', block, f'block{slot}')
            for slot, block in plan.blocks
        ]

    def stem_and_stages(self) -> list[nn.Module]:
        return [self.stems, *self.blocks]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, H, W) to the class token after the last norm, (N, C)."""
        (tokens,), _ = self._encode(self.checked(x), (len(self.plan.blocks),))
        return self.norm(tokens, self.plan.channels)[:, 0]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map (N, 3, H, W) to a tuple of one map per output."""
        x = self.checked(x)
        taps = facts.output_depths(len(self.plan.blocks), len(self.out_indices))
        states, grid = self._encode(x, taps)
        channels, maps = self.plan.channels, []
        for i, tokens, stride in zip(self.out_indices, states, self.out_strides):
            if i == self.out_indices[-1]:
                tokens = self.norm(tokens, channels)
            y = self.pyramid[str(i)](tokens[:, 1:], channels, grid)
            height, width = (int(-(-n // stride)) for n in x.shape[2:])
            maps.append(y[:, :, :height, :width])  # cut off positions that cover only padding
        return self.end_outputs(maps)

    def _encode(
        self, x: torch.Tensor, taps: tuple[int, ...]
    ) -> tuple[list[torch.Tensor], tuple[int, int]]:
        """Return tokens (N, 1 + h w, C) after given numbers of blocks, and their grid (h, w)."""
        plan, stem = self.plan, self.stems[self.plan.patch_size]
        window = stem.grid if self.attention == 'window' else None
        tokens, grid = stem(x, plan.channels, self.last_position_only)
        states = [tokens] * taps.count(0)
        for i, (slot, block) in enumerate(plan.blocks, 1):
            tokens = self.run_block(self.blocks[slot], tokens, block, grid, window)
            states += [tokens] * taps.count(i)
        return states, grid


class ViTASHead(ElasticHead):
    """The classification head: a linear layer on the class token."""

    def __init__(self, backbone: ViTAS, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.end(backbone.plan.channels.size, num_classes, dropout)

    def init_classifier(self, classifier: nn.Module) -> None:
        init_linear(classifier)

    def pool(self, x: torch.Tensor, plan: Span) -> torch.Tensor:
        """Return the class token (N, C), which is what the backbone gives."""
        return x
