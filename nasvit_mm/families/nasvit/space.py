"""The NASViT space (ICLR 2022): MBConv stages, then stages of an MBConv and transformer blocks.

Its facts come from the released code's table (the paper's own table differs in three entries, and
the released checkpoint has the code's shape).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nasvit_mm.spaces import DEPTH, RESOLUTION, WIDTH, Field, Space


class Stage(NamedTuple):
    """The fixed properties of a stage."""

    name: str
    stride: int  # stride of its first block
    expands: bool  # whether its MBConv has the 1x1 expansion
    se: bool  # squeeze-and-excitation in its MBConv
    transformer: bool  # whether all blocks but the first are transformer blocks


STAGES = (
    Stage('mb1', 1, expands=False, se=False, transformer=False),
    Stage('mb2', 2, expands=True, se=False, transformer=False),
    Stage('mb3', 2, expands=True, se=True, transformer=False),
    Stage('mb4', 2, expands=True, se=False, transformer=True),
    Stage('mb5', 2, expands=True, se=True, transformer=True),
    Stage('mb6', 1, expands=True, se=True, transformer=True),
    Stage('mb7', 2, expands=True, se=True, transformer=True),
)
STAGE_NAMES = tuple(s.name for s in STAGES)

# Stages whose maps are outputs of a dense backbone, and their strides.
OUTPUT_STAGES = (1, 2, 3, 5, 6)  # mb2, mb3, mb4, mb6, mb7
OUTPUT_STRIDES = (4, 8, 16, 32, 64)

HEAD_DIM = 8  # channels per head of q and k; v has V_RATIO times as many
V_RATIO = 4
HEAD_EXPAND = 6  # MBPool: last stage width -> 6 times that -> last width -> classes
TABLE_GRID = 18  # the relative-position table covers grids of up to 18 x 18 tokens
SCALE_ROWS = 8  # layer-scale rows: number of tokens modulo 8
MIN_SIZE = 32  # smallest workable image side
TRAINED_RESOLUTIONS = (192, 224, 256, 288)


class NASViTSpace(Space):
    """31 genes: resolution, 9 widths, and depth, kernel size and expansion of seven stages.

    ``width`` covers first_conv, mb1 ... mb7 and last; the ``depth`` of mb4 ... mb7 includes the
    leading MBConv, and their kernel size and expansion are those of that MBConv.  The authors'
    form, a dict of these five fields, is the mapping form.
    """

    name = 'nasvit'
    min_size = MIN_SIZE
    never_floored = ('kernel_size',)
    table = (
        Field('resolution', (), (TRAINED_RESOLUTIONS,), RESOLUTION),
        Field(
            'width',
            ('first_conv', *STAGE_NAMES, 'last'),
            (
                (16, 24),
                (16, 24),
                (24, 32),
                (32, 40),
                (64, 72),
                (112, 120, 128),
                (160, 168, 176, 184),
                (208, 216, 224),
                (1792, 1984),
            ),
            WIDTH,
        ),
        Field(
            'depth',
            STAGE_NAMES,
            (
                (1, 2),
                (3, 4, 5),
                (3, 4, 5, 6),
                (3, 4, 5, 6),
                tuple(range(3, 10)),
                tuple(range(3, 9)),
                (3, 4, 5, 6),
            ),
            DEPTH,
        ),
        Field('kernel_size', STAGE_NAMES, ((3, 5), (3, 5), (3,), (3,), (3,), (3,), (3,))),
        Field('expand_ratio', STAGE_NAMES, ((1,), *[(4, 5, 6)] * 4, (6,), (6,))),
    )


def make_divisible(value: Any, divisor: int = 8) -> Any:
    """Round positive integers (or an array) to multiples, never down by more than 10 %."""
    rounded = (value + divisor // 2) // divisor * divisor
    return rounded + divisor * (10 * rounded < 9 * value)


def hidden_width(width: Any, expand: Any) -> Any:
    """Return the hidden channels of an MBConv with ``width`` input channels (ints or arrays)."""
    return make_divisible(width * expand)


def se_width(hidden: Any) -> Any:
    """Return the squeezed channels for ``hidden`` channels (ints or arrays)."""
    return make_divisible(hidden // 4)


def stage_sizes(side: Any) -> list[Any]:
    """Return the map's side after the stem and every stage, for an image side (int or array)."""
    sizes = [-(-side // 2)]
    for stage in STAGES:
        sizes.append(-(-sizes[-1] // stage.stride))
    return sizes


def scale_row(resolution: int, stage: int) -> int:
    """Return a stage's layer-scale row: its tokens at the *training* resolution, modulo 8."""
    return stage_sizes(resolution)[stage + 1] ** 2 % SCALE_ROWS


def scale_rows(space: Space) -> list[list[int]]:
    """Return per stage the layer-scale rows that a network for a space has.

    A supernet has a row for every value that a square can take modulo 8, whatever its resolutions,
    so that a supernet for other resolutions can start from its weights.
    """
    if not space.is_single:
        return [sorted({n * n % SCALE_ROWS for n in range(SCALE_ROWS)})] * len(STAGES)
    (resolution,) = space.field('resolution').choices[0]
    return [[scale_row(resolution, stage)] for stage in range(len(STAGES))]
