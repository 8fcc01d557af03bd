"""Spaces whose depth is made by identities: slots that hold a block or nothing.

With an identity allowed in any slot, many gene vectors stand for one network.  Identity shifting
moves the identities to the end of their group of slots, so that each network has one vector.  (The
ViTAS paper gives the purpose and the idea; its exact form is not public, and this one is
nasvit_mm's.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Any, ClassVar

import numpy as np

from nasvit_mm.errors import ArchitectureError
from nasvit_mm.spaces.arch import Arch
from nasvit_mm.spaces.field import DEPTH, PATCH
from nasvit_mm.spaces.links import Link
from nasvit_mm.spaces.space import Space

IDENTITY = 0  # takes the place of a head number


class SlotSpace(Space):
    """Base of the ViTAS spaces.

    ``heads`` has one position per slot, 0 for an identity; the ``slot_fields`` have one position
    per slot too, without effect where the slot is an identity.  The canonical form has the
    identities of a group at its end and the smallest choice wherever a gene has no effect; samplers
    return only canonical architectures, and only those are counted.  ``arch`` keeps the slots as
    given, with identities anywhere.
    """

    slot_fields: ClassVar[tuple[str, ...]]  # in addition to heads
    groups: ClassVar[tuple[range, ...]]  # slots within which identities are shifted

    def build_links(self) -> list[Link]:
        if self.is_single:
            return []  # a single architecture is valid wherever its identities are
        heads, first, out = self.field('heads').choices, self.first_gene('heads'), []
        for group in self.groups:
            for a, b in zip(group, group[1:]):
                allowed = np.array(
                    [[x != IDENTITY or y == IDENTITY for y in heads[b]] for x in heads[a]]
                )
                out.append(
                    Link(first + a, first + b, allowed, 'in canonical form identities come last')
                )
        for name in self.slot_fields:
            start = self.first_gene(name)
            for slot, choices in enumerate(self.field(name).choices):
                allowed = np.array(
                    [[x != IDENTITY or i == 0 for i in range(len(choices))] for x in heads[slot]]
                )
                out.append(
                    Link(
                        first + slot,
                        start + slot,
                        allowed,
                        'in canonical form an identity has the smallest choices',
                    )
                )
        return out

    def _check(self, arch: Arch) -> Arch:
        """Accept every vector: each is a network, and the links only say which one is canonical."""
        return arch

    def canonical(self, arch: Any) -> Arch:
        """Shift identities to the end of their group, and set their genes to the smallest choice.

        The order of the blocks is kept, so in the DeiT-like spaces the subnet built alone is the
        same network (where slots differ in kind, as in ``vitas_twins``, a block becomes one of its
        new slot's kind).  In a trained supernet it is another path, with the weights of other
        slots.

        Raises:
            ArchitectureError: in a restricted space a block's new slot lacks its choices.
        """
        arch = self.arch(arch)
        names = ('heads', *self.slot_fields)
        out = {name: [choices[0] for choices in self.field(name).choices] for name in names}
        for group in self.groups:
            real = [slot for slot in group if arch.heads[slot] != IDENTITY]
            for i, slot in enumerate(group):
                for name in names:
                    if i < len(real):
                        out[name][slot] = arch[name][real[i]]
                out['heads'][slot] = out['heads'][slot] if i < len(real) else IDENTITY
        return self.arch(arch.replace(**{name: tuple(values) for name, values in out.items()}))

    def adopted(self, arch: Arch) -> Arch:
        """Return an architecture whose empty slots have this space's smallest choices."""
        own = {
            name: tuple(
                choices[0] if heads == IDENTITY else value
                for choices, heads, value in zip(
                    self.field(name).choices, arch.heads, arch[name], strict=True
                )
            )
            for name in self.slot_fields
        }
        return arch.replace(**own)

    def canonical_genes(self, genes: np.ndarray) -> np.ndarray:
        """Do as :meth:`canonical`; if the new slot lacks a block's choice, take the nearest one."""
        genes, values = genes.copy(), self._values(genes)
        rows = np.arange(len(genes))[:, None]
        heads = self.first_gene('heads')
        for group in self.groups:
            slots = np.array(group)
            real = values[:, heads + slots] != IDENTITY
            order = np.argsort(~real, axis=1, kind='stable')
            real = np.take_along_axis(real, order, 1)
            for name in ('heads', *self.slot_fields):
                first = self.first_gene(name)
                moved = values[rows, first + slots[order]]
                for i, slot in enumerate(group):
                    choices = np.array(self.choices[first + slot])
                    nearest = np.abs(moved[:, i, None] - choices).argmin(1)
                    genes[:, first + slot] = np.where(real[:, i], nearest, 0)
        return genes

    def depths(self, arch: Any) -> tuple[int, ...]:
        """Return the number of blocks in every group of slots."""
        heads = self.arch(arch).heads
        return tuple(sum(heads[slot] != IDENTITY for slot in group) for group in self.groups)

    def usable(self, genes: np.ndarray) -> np.ndarray:
        """Require one block that is not an identity, in addition to the rules."""
        return super().usable(genes) & (self.columns(genes)['heads'] != IDENTITY).any(1)

    def exchanged(
        self,
        genes: np.ndarray,
        other: np.ndarray,
        role: str,
        positions: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Swap widths as other spaces do; for depths, empty slots take the other's blocks."""
        if role != DEPTH:
            return super().exchanged(genes, other, role, positions)
        firsts, out = [self.first_gene(n) for n in ('heads', *self.slot_fields)], genes.copy()
        ours, theirs = (self.columns(g)['heads'] == IDENTITY for g in (genes, other))
        for slot, replaced in enumerate((ours | theirs).T):
            columns = [first + slot for first in firsts]
            out[np.ix_(replaced, columns)] = other[columns]
        return out

    # ------------------------------------------------------------------ extremes
    def _extreme(self, end: int) -> Arch:
        fields = {}
        for f in self.fields:
            # Larger patches make a smaller network.
            values = [c[-1 - end if f.role == PATCH else end] for c in f.choices]
            fields[f.name] = tuple(values) if f.positions else values[0]
        return Arch(self.name, fields)

    @property
    def largest(self) -> Arch:
        """Return the maximum of every choice, with the smallest patches."""
        return self._extreme(-1)

    @property
    def smallest(self) -> Arch:
        """Return the minimum of every choice, with the largest patches and one block, in slot 0.

        The space also counts a network without any block, which is of no use.
        """
        arch = self._extreme(0)
        first = [h for h in self.field('heads').choices[0] if h != IDENTITY]
        if any(arch.heads) or not first:
            return arch
        return arch.replace(heads=(first[0], *arch.heads[1:]))

    # ------------------------------------------------------------------ sampling
    def sample_genes(
        self, rng: np.random.Generator | int, n: int, identity: float | None = None
    ) -> np.ndarray:
        """Draw a canonical gene matrix (n, num_genes); seeded.

        The draw is not uniform over networks, because nearly all of them have full depth: first the
        depth of each group is drawn, then every choice of its blocks uniformly.

        Args:
            identity: probability of an identity in every slot that allows one, as the public code
                draws them (the depth is then binomial); None: every depth is equally likely, so
                that the last slots are trained too.
        """
        rng = np.random.default_rng(rng)
        sizes = np.array([len(c) for c in self.choices])
        genes = rng.integers(0, sizes, size=(n, self.num_genes))
        if self.is_single:
            return genes
        first, heads = self.first_gene('heads'), self.field('heads').choices
        for group in self.groups:
            depth = rng.choice(len(group) + 1, size=n, p=self._depth_prior(group, identity))
            for i, slot in enumerate(group):
                none = IDENTITY in heads[slot]
                real, column = depth > i, first + slot
                if real.any():
                    genes[real, column] = rng.integers(none, len(heads[slot]), real.sum())
                genes[~real, column] = 0
                for name in self.slot_fields:
                    genes[~real, self.first_gene(name) + slot] = 0
        return genes

    def _depth_prior(self, group: range, identity: float | None) -> np.ndarray:
        heads = [self.field('heads').choices[slot] for slot in group]
        always = [IDENTITY not in h for h in heads]
        never = [h == (IDENTITY,) for h in heads]
        possible = np.array(
            [not any(never[:d]) and not any(always[d:]) for d in range(len(group) + 1)]
        )
        weights = possible.astype(float)
        if identity is not None:
            fixed = sum(always)
            weights *= [
                comb(len(group) - fixed, d - fixed)
                * (1 - identity) ** (d - fixed)
                * identity ** (len(group) - d)
                if d >= fixed
                else 0
                for d in range(len(group) + 1)
            ]
        if not weights.any():
            raise ArchitectureError(f'identity = {identity!r}: no depth has a probability above 0')
        return weights / weights.sum()
