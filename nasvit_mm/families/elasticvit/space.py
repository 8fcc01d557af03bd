"""The ElasticViT space (ICCV 2023): two convolutional stages, then four of transformer blocks.

Its facts come from the released configuration ``final_3min_space``; what cannot vary there
(expansion 6 and kernel 3 of the transformer stages' entry, query-key scale 1, global attention) is
not a gene.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasvit_mm.errors import ArchitectureError, shown_value
from nasvit_mm.spaces import DEPTH, RESOLUTION, WIDTH, Field, Link, Space


class Stage(NamedTuple):
    """The fixed properties of a stage."""

    name: str
    stride: int  # stride of its first block
    se: bool  # squeeze-and-excitation in its IB blocks
    transformer: bool  # one IB block as entry, then transformer blocks


STAGES = (
    Stage('stage0', 2, se=False, transformer=False),
    Stage('stage1', 2, se=True, transformer=False),
    Stage('stage2', 2, se=True, transformer=True),
    Stage('stage3', 1, se=True, transformer=True),
    Stage('stage4', 2, se=True, transformer=True),
    Stage('stage5', 2, se=True, transformer=True),
)
STAGE_NAMES = tuple(s.name for s in STAGES)
CONV_STAGES = tuple(s.name for s in STAGES if not s.transformer)
TRANSFORMER_STAGES = tuple(s.name for s in STAGES if s.transformer)

# Stages whose maps are outputs of a dense backbone, and their strides.
OUTPUT_STAGES = (0, 1, 3, 4, 5)
OUTPUT_STRIDES = (4, 8, 16, 32, 64)

HEAD_DIM = 16  # channels per head of q and k; v has v_scale times as many
ENTRY_EXPAND, ENTRY_KERNEL = 6, 3  # the IB block that begins a transformer stage
SE_RATIO = 4
TABLE_GRIDS = {'stage2': 16, 'stage3': 16, 'stage4': 8, 'stage5': 4}  # largest grids
HEAD_EXPAND, HEAD_WIDTH = 6, 1984  # last width -> 6 times that -> 1984 -> classes
MIN_SIZE = 32  # smallest workable image side
TRAINED_RESOLUTIONS = (128, 160, 176, 192, 224, 256)
# Complexity level in MACs -> the smallest subnet of the levels up to it.
SMALLEST_OF = {200e6: 'elastic_min_200', 400e6: 'elastic_min_400', 800e6: 'elastic_min_800'}


class ElasticViTSpace(Space):
    """28 genes: resolution, 7 widths and depths, and per stage the choices its blocks share.

    Widths never decrease from stem to stage5.  The ``depth`` of a transformer stage counts pairs of
    attention and MLP; the stage's IB entry belongs to the first pair.  The number of heads is
    width // 16.  The authors' form is a tuple of ten, with one entry per block: see
    :meth:`to_tuple`.
    """

    name = 'elasticvit'
    min_size = MIN_SIZE
    level_counter = 'authors'
    never_floored = ('mlp_ratio', 'kernel_size')
    compared = TRANSFORMER_STAGES
    table = (
        Field('resolution', (), (TRAINED_RESOLUTIONS,), RESOLUTION),
        Field(
            'width',
            ('stem', *STAGE_NAMES),
            (
                (16, 24),
                (16, 24, 32),
                (16, 24, 32, 40, 48),
                (48, 64, 80, 96),
                tuple(range(80, 161, 16)),
                tuple(range(144, 289, 16)),
                tuple(range(160, 321, 16)),
            ),
            WIDTH,
        ),
        Field(
            'depth',
            ('stem', *STAGE_NAMES),
            ((1, 2), (2, 3, 4, 5), (2, 3, 4, 5, 6), (1, 2, 3, 4, 5), *[tuple(range(1, 7))] * 3),
            DEPTH,
        ),
        Field('expand_ratio', CONV_STAGES, ((3, 4, 5, 6),) * 2),
        Field('kernel_size', ('stem', *CONV_STAGES), ((3, 5),) * 3),
        Field('mlp_ratio', TRANSFORMER_STAGES, ((2, 3, 4, 5),) * 4),
        Field('v_scale', TRANSFORMER_STAGES, ((2, 3, 4),) * 4),
    )

    def build_links(self) -> list[Link]:
        first, choices = self.first_gene('width'), self.field('width').choices
        return [
            Link(
                first + i,
                first + i + 1,
                np.array(a)[:, None] <= np.array(b),
                'widths never decrease along the network',
            )
            for i, (a, b) in enumerate(zip(choices, choices[1:]))
        ]

    # ------------------------------------------------------------------ the authors' form
    def to_tuple(self, arch: Any) -> tuple:
        """Return the authors' 10-tuple.

        It holds resolution, widths, depths; per convolutional block (stem, stage0, stage1)
        expansion and kernel; per transformer block (stage2 to stage5) MLP ratio, heads, window (1:
        none), query scale (1) and v scale.
        """
        arch = self.arch(arch)
        conv, blocks = arch.depth[:3], arch.depth[3:]
        mlp, heads = arch.mlp_ratio, [w // HEAD_DIM for w in arch.width[3:]]
        ones = (1,) * sum(blocks)
        return (
            arch.resolution,
            arch.width,
            arch.depth,
            _repeat((1, *arch.expand_ratio), conv),
            _repeat(arch.kernel_size, conv),
            _repeat(mlp, blocks),
            _repeat(heads, blocks),
            ones,
            ones,
            _repeat(arch.v_scale, blocks),
        )

    def from_native(self, x: Any) -> Mapping:
        if not isinstance(x, (Sequence, np.ndarray)) or isinstance(x, str) or len(x) != 10:
            raise ArchitectureError(
                f'{shown_value(x)} is not a {self.name} architecture; give a name, a mapping of '
                "fields, an Arch, a file or the authors' tuple of ten"
            )
        resolution, width, depth, expand, kernel, mlp, _, window, scale, v = x  # heads: width // 16
        if len(width) != 7 or len(depth) != 7:
            raise ArchitectureError(
                f"{self.name}: the authors' tuple has 7 widths and 7 depths, got "
                f'{width!r} and {depth!r}'
            )
        conv, blocks = list(depth[:3]), list(depth[3:])
        expand = self._per_stage('expand ratios', expand, conv)
        if expand[0] != 1 or set(window) != {1} or set(scale) != {1}:
            raise ArchitectureError(
                f'{self.name}: expansion of the stem, windows and query scales are '
                f'1, got {expand[0]}, {window!r}, {scale!r}'
            )
        return dict(
            resolution=resolution,
            width=list(width),
            depth=list(depth),
            expand_ratio=expand[1:],
            kernel_size=self._per_stage('kernel sizes', kernel, conv),
            mlp_ratio=self._per_stage('MLP ratios', mlp, blocks),
            v_scale=self._per_stage('v scales', v, blocks),
        )

    def _per_stage(self, what: str, values: Sequence[int], depths: Sequence[int]) -> list[int]:
        if len(values) != sum(depths):
            raise ArchitectureError(
                f'{self.name}: {len(values)} {what}, expected one for each of the '
                f'{sum(depths)} blocks: {values!r}'
            )
        out, start = [], 0
        for depth in depths:
            of_stage = set(values[start : start + depth])
            if len(of_stage) != 1:
                raise ArchitectureError(
                    f'{self.name}: {what} {sorted(of_stage)} within one stage; all '
                    'blocks of a stage share them'
                )
            out += of_stage
            start += depth
        return out

    # ------------------------------------------------------------------ complexity levels
    def level_floors(self) -> dict[float, Any]:
        """Return the hierarchical smallest subnets, up to the last one that the space holds.

        If a restriction lacks one of them but holds a later one, its nearest resolution is used
        instead; if that is not a member either, the space's smallest serves its levels.
        """
        floors: dict[float, Any] = {}
        last = max((level for level, name in SMALLEST_OF.items() if name in self.zoo), default=0)
        for level, name in SMALLEST_OF.items():
            if level <= last:
                arch = type(self)().named[name].to_dict()
                arch['resolution'] = min(
                    self.field('resolution').choices[0], key=lambda r: abs(r - arch['resolution'])
                )
                floors[level] = arch if arch in self else 'smallest'
        return floors


def _repeat(values: Sequence[int], times: Sequence[int]) -> tuple[int, ...]:
    return tuple(v for v, n in zip(values, times) for _ in range(n))


def stage_sizes(side: Any) -> list[Any]:
    """Return the map's side after the stem and every stage, for an image side (int or array)."""
    sizes = [-(-side // 2)]
    for stage in STAGES:
        sizes.append(-(-sizes[-1] // stage.stride))
    return sizes
