"""The Twins-like ViTAS space: a pyramid of four stages with local and reduced global attention.

The ECCV paper searches a space over Twins that is not public.  This one is nasvit_mm's own
definition; Twins-SVT-S, -B and -L are members.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nasvit_mm.spaces import DEPTH, IDENTITY, RESOLUTION, WIDTH, Field, SlotSpace


class Stage(NamedTuple):
    """The fixed properties of a stage."""

    name: str
    stride: int  # kernel and stride of the convolution that begins it
    slots: int
    width: int  # maximum token width
    heads: int  # unit of the head numbers
    reduction: int  # reduction of the keys' and values' grid in global attention


STAGES = (
    Stage('stage0', 4, 2, 128, 1, 8),
    Stage('stage1', 2, 2, 256, 2, 4),
    Stage('stage2', 2, 18, 512, 4, 2),
    Stage('stage3', 2, 4, 1024, 8, 1),
)
STAGE_NAMES = tuple(s.name for s in STAGES)
STRIDES = (4, 8, 16, 32)

WIDTH_RATIOS, MLP_RATIOS = 16, 8  # token widths are i/16, MLP widths i/8 of their maxima
MLP_RATIO = 4  # maximum MLP width over maximum token width
HEADS = (2, 3, 4)  # times the stage's unit
# They make cyclic sharing exactly uniform over two phases, for q and k and for the v that all head
# numbers share.
HEAD_DIMS = (16, 32, 48)
WINDOW = 7  # side of the windows of local attention
TRAINED_RESOLUTION = 224
MIN_SIZE = 32

SLOTS = tuple((i, j) for i, stage in enumerate(STAGES) for j in range(stage.slots))
SLOT_NAMES = tuple(f'stage{i}.{j}' for i, j in SLOTS)
_ENDS = [sum(s.slots for s in STAGES[: i + 1]) for i in range(len(STAGES))]
GROUPS = tuple(range(end - stage.slots, end) for end, stage in zip(_ENDS, STAGES))


def is_local(slot: int) -> bool:
    """Return whether a slot of a stage has local attention: even slots do, odd ones have global."""
    return slot % 2 == 0


def head_choices(stage: Stage) -> tuple[int, ...]:
    return tuple(h * stage.heads for h in HEADS)


def mlp_choices(stage: Stage) -> tuple[int, ...]:
    return tuple(k * MLP_RATIO * stage.width // MLP_RATIOS for k in range(1, MLP_RATIOS + 1))


class ViTASTwinsSpace(SlotSpace):
    """Token width per stage; heads, head dimension and MLP width per slot.

    ``heads`` 0 is an identity (never allowed in a stage's first slot, which the convolutional
    position encoding follows); q, k and v have heads x head_dim channels each.  A slot's attention
    depends on its place: it is local, in windows of 7 x 7, in even slots and global, with reduced
    keys, in odd ones, even if a slot before it is an identity.
    """

    name = 'vitas_twins'
    slot_fields = ('head_dim', 'mlp_width')
    min_size = MIN_SIZE
    groups = GROUPS
    table = (
        Field('resolution', (), ((TRAINED_RESOLUTION,),), RESOLUTION),
        Field(
            'width',
            STAGE_NAMES,
            tuple(
                tuple(k * s.width // WIDTH_RATIOS for k in range(1, WIDTH_RATIOS + 1))
                for s in STAGES
            ),
            WIDTH,
        ),
        Field(
            'heads',
            SLOT_NAMES,
            tuple(
                (IDENTITY, *head_choices(STAGES[i])) if j else head_choices(STAGES[i])
                for i, j in SLOTS
            ),
            DEPTH,
        ),
        Field('head_dim', SLOT_NAMES, (HEAD_DIMS,) * len(SLOTS)),
        Field('mlp_width', SLOT_NAMES, tuple(mlp_choices(STAGES[i]) for i, _ in SLOTS)),
    )


def stage_sizes(side: Any) -> list[Any]:
    """Return the map's side after every stage, for an image side (int or array).

    Sides are rounded down, because the authors' convolutions have no padding.
    """
    sizes = []
    for stage in STAGES:
        side = side // stage.stride
        sizes.append(side)
    return sizes
