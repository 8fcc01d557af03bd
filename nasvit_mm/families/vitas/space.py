"""The DeiT-like ViTAS spaces (ECCV 2022): one sequence of blocks at one token width.

Their facts come from the public code (June 2021) and its released networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from nasvit_mm.errors import ArchitectureError
from nasvit_mm.spaces import DEPTH, IDENTITY, PATCH, RESOLUTION, WIDTH, Field, SlotSpace

RATIOS = 10  # every width is 1/10 ... 10/10 of its maximum
HEADS = (3, 6, 12, 16)
PATCH_SIZES = (14, 16, 32)
TRAINED_RESOLUTION = 224  # the position tables have its grid
MIN_SIZE = 32
NUM_OUTPUTS = 4  # a dense backbone's, at strides patch / 4, patch / 2, patch and 2 patch


def table(
    slots: int, width: int, inner: int, hidden: int, patch_sizes: tuple[int, ...], identity: bool
) -> tuple[Field, ...]:
    """Return the fields of a space.

    Args:
        width: maximum token width.
        inner: maximum width of q, k and v together.
        hidden: maximum width of the MLP.
        identity: whether a slot may be an identity.
    """
    names = tuple(f'block{i}' for i in range(slots))
    ratios = range(1, RATIOS + 1)
    heads = (IDENTITY, *HEADS) if identity else HEADS
    return (
        Field('resolution', (), ((TRAINED_RESOLUTION,),), RESOLUTION),
        Field('patch_size', (), (patch_sizes,), PATCH),
        Field('width', (), (tuple(round(k * width / RATIOS) for k in ratios),), WIDTH),
        Field('heads', names, (heads,) * slots, DEPTH),
        Field('qkv_width', names, (tuple(k * inner // RATIOS for k in ratios),) * slots),
        Field('mlp_width', names, (tuple(k * hidden // RATIOS for k in ratios),) * slots),
    )


class ViTASSpace(SlotSpace):
    """Base of the three: resolution, patch size, token width; heads and two widths per slot.

    ``heads`` 0 is an identity; ``qkv_width`` is the width of q, k and v together (the authors' A)
    and ``mlp_width`` the hidden width.  The authors' form is a genome: operator genes (stem, slots,
    two fixed ones), then ratio indices (token width, then qkv and MLP of every slot), as a list or
    as the ``net_id`` string of their configuration files.
    """

    slot_fields = ('qkv_width', 'mlp_width')
    min_size = MIN_SIZE
    slots: ClassVar[int]

    def to_genome(self, arch: Any) -> list[int]:
        """Return the authors' genome; ``' '.join(map(str, genome))`` is their ``net_id``.

        Raises:
            ArchitectureError: no genome can express the widths (ViTAS-C's, in the space of 16
                slots).
        """
        arch, full = self.arch(arch), self._full_choices()
        operators = [full['patch_size'][0].index(arch.patch_size)]
        operators += [len(HEADS) if h == IDENTITY else HEADS.index(h) for h in arch.heads]
        ratios = [full['width'][0].index(arch.width)]
        for slot in range(self.slots):
            ratios += [full[name][slot].index(arch[name][slot]) for name in self.slot_fields]
        return [*operators, 0, 0, *ratios]

    def _full_choices(self) -> dict[str, tuple]:
        """Return the choices of the unrestricted space, which genomes index."""
        return {f.name: f.choices for f in self.table}

    def from_text(self, text: str) -> list[int] | None:
        words = text.split()
        return [int(w) for w in words] if len(words) > 1 and all(map(str.isdigit, words)) else None

    def from_native(self, x: Any) -> Mapping:
        if not isinstance(x, (Sequence, np.ndarray)) or isinstance(x, str):
            return super().from_native(x)
        genome, n = [int(g) for g in x], self.slots
        if len(genome) != 3 * n + 4:
            raise ArchitectureError(
                f"{self.name}: the authors' genome has {3 * n + 4} genes ({n + 3} "
                f'operators and {2 * n + 1} ratios), got {len(genome)}'
            )
        full = self._full_choices()
        heads = (*HEADS, IDENTITY) if IDENTITY in full['heads'][0] else HEADS
        allowed = [len(full['patch_size'][0]), *[len(heads)] * n, 1, 1, *[RATIOS] * (2 * n + 1)]
        for i, (gene, choices) in enumerate(zip(genome, allowed)):
            if not 0 <= gene < choices:
                raise ArchitectureError(
                    f"{self.name}: gene {i} of the authors' genome = {gene}, allowed "
                    f'0..{choices - 1}'
                )
        ratios = genome[n + 3 :]
        return dict(
            resolution=TRAINED_RESOLUTION,
            patch_size=full['patch_size'][0][genome[0]],
            width=full['width'][0][ratios[0]],
            heads=[heads[g] for g in genome[1 : n + 1]],
            qkv_width=[full['qkv_width'][0][g] for g in ratios[1::2]],
            mlp_width=[full['mlp_width'][0][g] for g in ratios[2::2]],
        )


class ViTASDeiTSmall(ViTASSpace):
    """16 slots, identities allowed, token width up to 384: ViTAS-A, B and E."""

    name = 'vitas_deit_small'
    slots, groups = 16, (range(16),)
    table = table(16, 384, 1440, 1440, PATCH_SIZES, identity=True)


class ViTASDeiTBlock(ViTASSpace):
    """12 blocks at patch 16, token width up to 384: ViTAS-C, whose blocks are all alike."""

    name = 'vitas_deit_block'
    slots, groups = 12, (range(12),)
    table = table(12, 384, 1440, 1440, (16,), identity=False)


class ViTASDeiTBase(ViTASSpace):
    """13 blocks, token width up to 768: ViTAS-F."""

    name = 'vitas_deit_base'
    slots, groups = 13, (range(13),)
    table = table(13, 768, 2880, 2880, PATCH_SIZES, identity=False)


def grid_sizes(side: Any, patch_size: Any) -> Any:
    """Return the tokens along an axis, for an image padded to whole patches (ints or arrays)."""
    return -(-side // patch_size)


def output_depths(depth: int, outputs: int) -> tuple[int, ...]:
    """Return after how many of ``depth`` blocks each output is taken.

    They are spaced evenly, the last after the last block.
    """
    return tuple(-(-depth * (i + 1) // outputs) for i in range(outputs))
