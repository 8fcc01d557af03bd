"""Mutation and crossover of gene matrices, as the three papers have them.

A child may break a rule between genes, or a constraint: whoever breeds throws it away.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nasvit_mm.errors import check_number
from nasvit_mm.registry import OPERATORS
from nasvit_mm.spaces import Space


class Operators:
    """Base: how children come out of parents.

    Args:
        space: whose genes they are.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.sizes = np.array([len(c) for c in space.choices])

    def mutate(self, genes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a changed copy of every row, (n, num_genes)."""
        raise NotImplementedError

    def cross(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a child of each pair of rows, (n, num_genes)."""
        raise NotImplementedError


@OPERATORS.register_module(name='uniform')
class UniformOperators(Operators):
    """NASViT's (and AttentiveNAS's): gene by gene.

    Args:
        probability: of a gene to mutate, to another value.
    """

    def __init__(self, space: Space, probability: float = 0.2) -> None:
        super().__init__(space)
        self.probability = check_number('operators.probability', probability, low=0, high=1)

    def mutate(self, genes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        hit = (rng.random(genes.shape) < self.probability) & (self.sizes > 1)
        other = rng.integers(1, np.maximum(self.sizes, 2), genes.shape)
        return np.where(hit, (genes + other) % self.sizes, genes)

    def cross(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(rng.random(first.shape) < 0.5, first, second)


@OPERATORS.register_module(name='field')
class FieldOperators(Operators):
    """ElasticViT's: whole fields cross, and mutation is drawn to small values.

    The released mutation is corrected where it was in error: the largest depth and another
    resolution can be reached, widths step as the space has them, and kernels stay what they are.

    Args:
        depth: probability that all depths are drawn anew.
        other: probability of every other gene to be drawn anew.
        spread: share of the new values that are uniform; the rest are the smallest choice.
    """

    def __init__(
        self, space: Space, depth: float = 0.4, other: float = 0.2, spread: float = 0.45
    ) -> None:
        super().__init__(space)
        self.depth = check_number('operators.depth', depth, low=0, high=1)
        self.other = check_number('operators.other', other, low=0, high=1)
        self.spread = check_number('operators.spread', spread, low=0, high=1)
        self.columns = {
            f.name: slice(space.first_gene(f.name), space.first_gene(f.name) + len(f.choices))
            for f in space.fields
        }

    def mutate(self, genes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        out, n = genes.copy(), len(genes)
        for name, columns in self.columns.items():
            shape = (n, columns.stop - columns.start)
            drawn = rng.integers(0, self.sizes[columns], shape)
            if name in ('depth', 'heads'):
                hit = np.broadcast_to(rng.random((n, 1)) < self.depth, shape)
            else:
                hit = rng.random(shape) < self.other
                drawn = np.where(rng.random(shape) < self.spread, drawn, 0)
            out[:, columns] = np.where(hit, drawn, out[:, columns])
        return out

    def cross(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        out = first.copy()
        for columns in self.columns.values():
            theirs = rng.random(len(first)) < 0.5
            out[theirs, columns] = second[theirs, columns]
        return out


@OPERATORS.register_module(name='polynomial')
class PolynomialOperators(Operators):
    """ViTAS's: two-point crossover, and polynomial mutation of one gene in the mean.

    Args:
        eta: distribution index of the mutation; larger stays nearer.
    """

    def __init__(self, space: Space, eta: float = 3.0) -> None:
        super().__init__(space)
        self.eta = check_number('operators.eta', eta, low=0)

    def mutate(self, genes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        free = self.sizes > 1
        hit = (rng.random(genes.shape) < 1 / max(1, free.sum())) & free
        low, high, u = -0.5, self.sizes - 0.5, rng.random(genes.shape)
        power = self.eta + 1
        near, far = (genes - low) / (high - low), (high - genes) / (high - low)
        down = (2 * u + (1 - 2 * u) * (1 - near) ** power) ** (1 / power) - 1
        up = 1 - (2 * (1 - u) + 2 * (u - 0.5) * (1 - far) ** power) ** (1 / power)
        moved = genes + np.where(u <= 0.5, down, up) * (high - low)
        moved = np.clip(np.rint(moved).astype(np.int64), 0, self.sizes - 1)
        return np.where(hit, moved, genes)

    def cross(self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n, genes = first.shape
        cuts = np.sort(np.stack([rng.permutation(np.arange(1, genes))[:2] for _ in range(n)]), 1)
        place = np.arange(genes)
        inside = (place >= cuts[:, :1]) & (place < cuts[:, 1:])
        return np.where(inside, second, first)


class Parents(NamedTuple):
    """Two rows for every child."""

    first: np.ndarray
    second: np.ndarray


def pairs(pool: np.ndarray, n: int, rng: np.random.Generator) -> Parents:
    """Return two random rows of a pool for each of n children."""
    return Parents(*(pool[rng.integers(0, len(pool), n)] for _ in range(2)))
