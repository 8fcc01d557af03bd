"""Rules between two genes: which choices go together, counting and drawing vectors that obey.

A space's rules form a forest (no cycle of genes), so counts and uniform draws are exact: they take
one pass from the leaves to the roots and one back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Link(NamedTuple):
    """A rule between two genes.

    Attributes:
        first, second: indices of the genes.
        allowed: (choices of first, choices of second) bool.
        rule: its wording in error messages.
    """

    first: int
    second: int
    allowed: np.ndarray
    rule: str


class Forest:
    """The genes of a space under its links.

    Args:
        sizes: number of choices of every gene.
        links: the rules, without cycles.
    """

    def __init__(self, sizes: Sequence[int], links: Sequence[Link]) -> None:
        self.sizes = list(sizes)
        # child -> (parent, allowed[choice of the parent, choice of the child])
        self.parent: dict[int, tuple[int, np.ndarray]] = {}
        neighbours: dict[int, list[tuple[int, np.ndarray]]] = {g: [] for g in range(len(sizes))}
        for link in links:
            neighbours[link.first].append((link.second, link.allowed))
            neighbours[link.second].append((link.first, link.allowed.T))
        self.order: list[int] = []  # parents before children
        seen: set[int] = set()
        for root in range(len(sizes)):
            stack = [] if root in seen else [root]
            seen.add(root)
            while stack:
                gene = stack.pop()
                self.order.append(gene)
                for other, allowed in neighbours[gene]:
                    if other == self.parent.get(gene, (None,))[0]:
                        continue
                    if other in seen:
                        raise ValueError(f'the links of a space form a cycle at gene {other}')
                    seen.add(other)
                    self.parent[other] = gene, allowed
                    stack.append(other)
        # Number of vectors below a gene, per choice of it; Python integers, as it can be huge.
        self.below = [np.ones(n, dtype=object) for n in sizes]
        for gene in reversed(self.order):
            if gene in self.parent:
                parent, allowed = self.parent[gene]
                self.below[parent] = self.below[parent] * (
                    allowed.astype(object) @ self.below[gene]
                )

    def count(self) -> int:
        """Return the number of gene vectors that obey all links."""
        total = 1
        for gene in self.order:
            if gene not in self.parent:
                total *= int(self.below[gene].sum())
        return total

    def possible(self) -> list[np.ndarray]:
        """Return per gene, as bool, which choices occur in a vector that obeys all links."""
        out: dict[int, np.ndarray] = {}
        for gene in self.order:
            ok = self.below[gene] > 0
            if gene in self.parent:
                parent, allowed = self.parent[gene]
                ok = ok & allowed[out[parent]].any(0)
            out[gene] = ok.astype(bool)
        return [out[g] for g in range(len(self.sizes))]

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw vectors uniformly, (n, genes)."""
        out = np.empty((n, len(self.sizes)), np.int64)
        free = [g for g in self.order if g not in self.parent and all(self.below[g] == 1)]
        out[:, free] = rng.integers(0, [self.sizes[g] for g in free], size=(n, len(free)))
        for gene in self.order:
            if gene in free:
                continue
            weights = self.below[gene].astype(float)[None]
            rows = np.zeros(n, np.int64)
            if gene in self.parent:
                parent, allowed = self.parent[gene]
                weights, rows = weights * allowed, out[:, parent]
            ends = weights.cumsum(1)
            # A parent's choice that allows no child is never drawn; its zeros are not used.
            ends = ends / np.maximum(ends[:, -1:], 1e-300)
            out[:, gene] = (rng.random(n)[:, None] >= ends[rows]).sum(1)
        return out
