"""The base of all search spaces: a table of choices and what follows from it."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nasvit_mm.errors import ArchitectureError
from nasvit_mm.spaces.arch import Arch
from nasvit_mm.spaces.field import Field
from nasvit_mm.spaces.links import Forest, Link
from nasvit_mm.spaces.reading import from_mapping, given_mapping
from nasvit_mm.spaces.restriction import restricted


class Space:
    """A search space: ordered fields with choices, one gene per position.

    A gene vector holds the *index* of the choice at every position of every field, in the order of
    ``fields``; positions with a single choice are part of it (their gene is 0), so the layout of
    the vector is the same for a space and all its restrictions.

    A family subclasses this with its table, and overrides what is special in it: its authors' own
    notation (``from_native``), rules between genes (``_links``), genes without effect
    (``canonical``).
    """

    name: ClassVar[str]
    table: ClassVar[tuple[Field, ...]]
    min_size: ClassVar[int]  # smallest resolution that ``restrict`` takes
    # What complexity- and performance-aware sampling (ElasticViT) know of a space.
    level_counter: ClassVar[str] = 'true'  # by which its levels are counted, see cost.count
    never_floored: ClassVar[tuple[str, ...]] = ()  # fields that a level's smallest does not bound
    compared: ClassVar[tuple[str, ...] | None] = None  # positions of the preference; None: all

    def __init__(
        self, fields: Sequence[Field] | None = None, restriction: Mapping[str, list] | None = None
    ) -> None:
        self.fields = tuple(fields or self.table)
        self._restriction = dict(restriction or {})

    def field(self, name: str) -> Field:
        """The field of a name.

        Raises:
            ArchitectureError: the space has no such field.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise ArchitectureError(
            f'{self.name} has the fields {[f.name for f in self.fields]}, not {name!r}'
        )

    def role(self, role: str) -> Field | None:
        """Return the field of a role, one of :data:`nasvit_mm.spaces.ROLES`; None without one."""
        return next((field for field in self.fields if field.role == role), None)

    def first_gene(self, name: str) -> int:
        """Where the genes of a field begin in a gene vector."""
        before = self.fields[: self.fields.index(self.field(name))]
        return sum(len(f.choices) for f in before)

    def build_links(self) -> list[Link]:
        """Rules between genes, without cycles; of every gene the choices of this space."""
        return []

    # ------------------------------------------------------------------ what it is
    def to_dict(self) -> dict[str, Any]:
        """``dict(space=name, restrict={...})``: plain types, read back by ``get_space``."""
        out: dict[str, Any] = {'space': self.name}
        if self._restriction:
            out['restrict'] = copy.deepcopy(self._restriction)
        return out

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return self.name == other.name and self.fields == other.fields

    def __hash__(self) -> int:
        return hash((self.name, self.fields))

    def __repr__(self) -> str:
        free = sum(len(c) > 1 for c in self.choices)
        return f'<space {self.name}: {free} free genes, {self.num_architectures:.4g} architectures>'

    @cached_property
    def choices(self) -> tuple[tuple[int, ...], ...]:
        """Choices of every gene."""
        return tuple(c for field in self.fields for c in field.choices)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A readable name of every gene, ``depth[mb4]``."""
        return tuple(label for field in self.fields for label in field.labels)

    @property
    def num_genes(self) -> int:
        return len(self.choices)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Rules between two genes each."""
        return tuple(self.build_links())

    @cached_property
    def _forest(self) -> Forest:
        return Forest([len(c) for c in self.choices], self.links)

    def possible_choices(self) -> list[np.ndarray]:
        """Return per gene which of its choices occur in any vector that obeys the rules, bool."""
        return self._forest.possible()

    @property
    def num_architectures(self) -> int:
        """Number of gene vectors that obey all rules."""
        return self._forest.count()

    def obeys(self, genes: np.ndarray) -> np.ndarray:
        """Which rows of a gene matrix (n, num_genes) obey all rules between genes, (n,) bool."""
        genes = np.atleast_2d(genes)
        out = np.ones(len(genes), bool)
        for link in self.links:
            out &= link.allowed[genes[:, link.first], genes[:, link.second]]
        return out

    def usable(self, genes: np.ndarray) -> np.ndarray:
        """Which rows of a gene matrix are networks of use that obey all rules, (n,) bool."""
        return self.obeys(genes)

    @property
    def is_single(self) -> bool:
        """Whether one architecture is left."""
        return all(len(c) == 1 for c in self.choices)

    @cached_property
    def smallest(self) -> Arch:
        """The minimum of every choice."""
        return self.from_genes([0] * self.num_genes)

    @cached_property
    def largest(self) -> Arch:
        """The maximum of every choice."""
        return self.from_genes([len(c) - 1 for c in self.choices])

    # ------------------------------------------------------------------ architectures
    def arch(self, x: Arch | str | Path | Mapping | Sequence) -> Arch:
        """Read and validate an architecture.

        Args:
            x: an :class:`Arch`; a name out of ``named``, ``'smallest'`` or ``'largest'``; a path
                to a JSON or YAML file; a mapping of fields (``Arch.to_dict()``); or the authors'
                own form.

        Raises:
            ArchitectureError: an unknown name (the closest names are listed), an unknown or
                missing field, a value outside the space (the gene, the value and its choices are
                named), or something that is no architecture.
        """
        return self._check(from_mapping(self, self.mapping(x)))

    def mapping(self, x: Arch | str | Path | Mapping | Sequence) -> Mapping:
        """The fields of an architecture in any form that :meth:`arch` takes, before their values
        are checked.
        """
        mapping = given_mapping(self, x)
        return mapping if isinstance(mapping, Mapping) else self.from_native(mapping)

    def from_native(self, x: Any) -> Mapping:
        """Read the authors' own form that is not a mapping."""
        raise ArchitectureError(
            f'{type(x).__name__} is no {self.name} architecture; give a name, a '
            'mapping of fields, an Arch or a file'
        )

    def from_text(self, text: str) -> Mapping | Sequence | None:
        """The authors' own form that is a string; None where ``text`` is not one."""
        return None

    def _check(self, arch: Arch) -> Arch:
        """Raise ValueError where genes contradict one another."""
        if self.links:
            values = [
                v for f in self.fields for v in (arch[f.name] if f.positions else (arch[f.name],))
            ]
            for link in self.links:
                a, b = values[link.first], values[link.second]
                if not link.allowed[
                    self.choices[link.first].index(a), self.choices[link.second].index(b)
                ]:
                    raise ArchitectureError(
                        f'{self.name}: {self.labels[link.first]} = {a} and '
                        f'{self.labels[link.second]} = {b} do not go together: {link.rule}'
                    )
        return arch

    def canonical(self, arch: Any) -> Arch:
        """The normal form: genes without effect set to a fixed value."""
        return self.arch(arch)

    def canonical_genes(self, genes: np.ndarray) -> np.ndarray:
        """As :meth:`canonical`, for a gene matrix (n, num_genes)."""
        return genes

    # ------------------------------------------------------------------ genes
    def genes(self, arch: Any) -> np.ndarray:
        """Gene vector (num_genes,) int64 of one architecture, matrix (n, num_genes) of a list."""
        if is_many(arch):
            return np.stack([self.genes(a) for a in arch])
        arch = self.arch(arch)
        indices = []
        for field in self.fields:
            value = arch[field.name]
            values = value if field.positions else (value,)
            indices += [c.index(v) for v, c in zip(values, field.choices)]
        return np.array(indices, dtype=np.int64)

    def from_genes(self, genes: Iterable[int]) -> Arch | list[Arch]:
        """Inverse of :meth:`genes`; a matrix gives a list.

        Raises:
            ArchitectureError: wrong length or an index out of range, naming the gene.
        """
        genes = np.asarray(genes)
        if genes.ndim == 2:
            return [self.from_genes(row) for row in genes]
        values = iter(self._values(genes[None])[0].tolist())
        fields = {
            f.name: tuple(next(values) for _ in f.positions) if f.positions else next(values)
            for f in self.fields
        }
        return self._check(Arch(self.name, fields))

    def columns(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Values behind a gene matrix (n, num_genes): ``{field: (n, positions) or (n,)}`` int64."""
        values = self._values(np.atleast_2d(np.asarray(genes)))
        out, start = {}, 0
        for field in self.fields:
            stop = start + len(field.choices)
            out[field.name] = values[:, start:stop] if field.positions else values[:, start]
            start = stop
        return out

    def _values(self, genes: np.ndarray) -> np.ndarray:
        if genes.ndim != 2 or genes.shape[1] != self.num_genes:
            raise ArchitectureError(
                f'{self.name} has {self.num_genes} genes, got shape {genes.shape}'
            )
        if not np.issubdtype(genes.dtype, np.integer):
            raise ArchitectureError(f'genes are integer indices, got {genes.dtype}')
        sizes = np.array([len(c) for c in self.choices])
        bad = (genes < 0) | (genes >= sizes)
        if bad.any():
            row, gene = np.argwhere(bad)[0]
            raise ArchitectureError(
                f'{self.name}: gene {gene} ({self.labels[gene]}) = {genes[row, gene]} '
                f'in row {row}, allowed 0..{sizes[gene] - 1}'
            )
        return self._lookup[np.arange(self.num_genes), genes]

    @cached_property
    def _lookup(self) -> np.ndarray:
        out = np.zeros((self.num_genes, max(map(len, self.choices))), dtype=np.int64)
        for row, choices in zip(out, self.choices):
            row[: len(choices)] = choices
        return out

    def exchanged(
        self,
        genes: np.ndarray,
        other: np.ndarray,
        role: str,
        positions: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Return genes (n, num_genes) with the widths, or the depths, of another architecture.

        Args:
            other: its genes, (num_genes,).
            role: ``'width'`` or ``'depth'``.
            positions: of that field; None: all.

        Raises:
            ArchitectureError: a position that the field does not have.
        """
        field, out = self.role(role), genes.copy()
        unknown = [p for p in positions or () if p not in field.positions]
        if unknown:
            raise ArchitectureError(
                f'{field.name} has no position {", ".join(map(str, unknown))}; there are '
                f'{", ".join(field.positions)}'
            )
        places = [field.positions.index(p) for p in positions or field.positions] or [0]
        columns = np.array(places) + self.first_gene(field.name)
        out[:, columns] = other[columns]
        return out

    def level_floors(self) -> dict[float, Any]:
        """Return complexity level in MACs -> the smallest subnet of the levels up to it.

        Empty where the space's smallest member serves all levels.
        """
        return {}

    def above(self, floor: Arch) -> Space:
        """Return the space whose choices are not below an architecture's.

        Fields named in ``never_floored`` stay as they are.
        """
        kept = {}
        for field in self.fields:
            if field.name in self.never_floored:
                continue
            least = floor[field.name] if field.positions else (floor[field.name],)
            choices = [[c for c in cs if c >= low] for cs, low in zip(field.choices, least)]
            kept[field.name] = choices if field.positions else choices[0]
        return self.restrict(**kept)

    # ------------------------------------------------------------------ sampling
    def sample(self, rng: np.random.Generator | int, n: int | None = None) -> Arch | list[Arch]:
        """Draw canonical architectures: one, or a list of ``n``.

        Args:
            rng: a numpy Generator, or a seed for one.
        """
        archs = self.from_genes(self.sample_genes(rng, 1 if n is None else n))
        return archs[0] if n is None else archs

    def sample_genes(self, rng: np.random.Generator | int, n: int) -> np.ndarray:
        """As :meth:`sample`, as a gene matrix (n, num_genes): thousands in milliseconds."""
        return self.uniform_genes(rng, n)

    def sample_usable(self, rng: np.random.Generator | int, n: int, **how: Any) -> list[Arch]:
        """As :meth:`sample`, of networks that are of use: drawn again where one is not.

        Args:
            how: arguments of :meth:`sample_genes` besides.

        Raises:
            ArchitectureError: in 1,000 draws there is none.
        """
        rng = np.random.default_rng(rng)
        genes = self.sample_genes(rng, n, **how)
        for _ in range(1000):
            if self.usable(genes).all():
                return self.from_genes(genes)
            again = ~self.usable(genes)
            genes[again] = self.sample_genes(rng, int(again.sum()), **how)
        raise ArchitectureError(
            f'{self.name}: 1,000 draws gave no network of use'
            + ''.join(f', with {k} = {v!r}' for k, v in how.items())
        )

    def uniform_genes(self, rng: np.random.Generator | int, n: int) -> np.ndarray:
        """Drawn uniformly from all gene vectors that obey the rules, (n, num_genes)."""
        return self._forest.draw(np.random.default_rng(rng), n)

    # ------------------------------------------------------------------ derived spaces
    def restrict(self, **fields: Any) -> Space:
        """A space with fewer choices, for small pictures, demonstrations and tests.

        Args:
            fields: per field the choices left.  For a scalar field a value or a tuple of values;
                for the others a mapping ``position -> value or values`` (positions not named stay
                as they are), or a list with one entry per position.  ``resolution`` alone may
                take values that the full space does not have.

        Example::

            space.restrict(resolution=(64, 80, 96), depth=dict(mb5=(3, 4), mb6=3))

        Raises:
            ArchitectureError: an unknown field or position, or a choice that the space lacks.
        """
        return restricted(self, fields)

    def only(self, arch: Any) -> Space:
        """The space whose one member is ``arch``: a subnet is a supernet with one choice."""
        arch = self.arch(arch)
        return self.restrict(
            **{f.name: list(arch[f.name]) if f.positions else arch[f.name] for f in self.fields}
        )

    # ------------------------------------------------------------------ named architectures
    @cached_property
    def zoo(self) -> dict[str, dict[str, Any]]:
        """Named members of this space with provenance: source, published and measured figures."""
        path = Path(inspect.getfile(type(self))).with_name('zoo.json')
        entries = json.loads(path.read_text()).get(self.name, {}) if path.is_file() else {}
        return {name: entry for name, entry in entries.items() if self._has(entry['arch'])}

    @cached_property
    def named(self) -> dict[str, Arch]:
        """Name -> architecture, of :attr:`zoo`."""
        return {name: self.arch(entry['arch']) for name, entry in self.zoo.items()}

    def _has(self, x: Any) -> bool:
        try:
            self.arch(x)
        except ArchitectureError:
            return False
        return True

    def __contains__(self, x: Any) -> bool:
        return self._has(x)


def is_many(archs: Any) -> bool:
    """Whether it is a list of architectures, not one in its authors' own form (whose first entry
    is a number).
    """
    return isinstance(archs, (list, tuple)) and all(
        isinstance(a, (Arch, Mapping, str, list, tuple)) for a in archs
    )
