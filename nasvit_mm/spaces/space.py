"""The base of all search spaces: a table of choices and everything that follows from it."""

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
from nasvit_mm.spaces.field import PATCH, TASK, Field
from nasvit_mm.spaces.links import Forest, Link
from nasvit_mm.spaces.reading import check_space, from_mapping, from_text
from nasvit_mm.spaces.restriction import restricted, without_impossible
from nasvit_mm.spaces.task import task_fields


class Space:
    """A search space: ordered fields with choices, one gene per position.

    A gene vector holds the *index* of the choice at every position of every field, in the order of
    ``fields``; positions with a single choice are part of it (their gene is 0), so the layout of
    the vector is the same for a space and all its restrictions.

    A family subclasses this with its table, and overrides what is special about it: its authors'
    own notation (``from_native``), rules between genes (``build_links``), genes without effect
    (``canonical``).
    """

    name: ClassVar[str]
    table: ClassVar[tuple[Field, ...]]
    min_size: ClassVar[int]  # smallest resolution that ``restrict`` takes
    # What the complexity- and performance-aware samplers (ElasticViT) know about a space.
    level_counter: ClassVar[str] = 'true'  # counter that its levels are given in, see cost.count
    never_floored: ClassVar[tuple[str, ...]] = ()  # fields that a level's floor does not bound
    compared: ClassVar[tuple[str, ...] | None] = None  # positions of the preference; None: all

    def __init__(
        self, fields: Sequence[Field] | None = None, restriction: Mapping[str, list] | None = None
    ) -> None:
        self.fields = tuple(fields or self.table)
        self._restriction = dict(restriction or {})

    def field(self, name: str) -> Field:
        """Return the field of a name.

        Raises:
            ArchitectureError: the space has no such field.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise ArchitectureError(
            f'{self.name} has the fields {[f.name for f in self.fields]}, not {name!r}'
        )

    def has(self, name: str) -> bool:
        """Return whether there is a field of a name."""
        return any(field.name == name for field in self.fields)

    def role(self, role: str) -> Field | None:
        """Return the field of a role, one of :data:`nasvit_mm.spaces.ROLES`, or None."""
        return next((field for field in self.fields if field.role == role), None)

    def first_gene(self, name: str) -> int:
        """Return the index of a field's first gene in a gene vector."""
        before = self.fields[: self.fields.index(self.field(name))]
        return sum(len(f.choices) for f in before)

    def build_links(self) -> list[Link]:
        """Return the rules between genes, without cycles, over the choices of this space."""
        return []

    # ------------------------------------------------------------------ identity and size
    def to_dict(self) -> dict[str, Any]:
        """Return ``dict(space=name, restrict={...}, task={...})``, which ``get_space`` reads."""
        out: dict[str, Any] = {'space': self.name}
        if self._restriction:
            out['restrict'] = copy.deepcopy(self._restriction)
        if self.task:
            out['task'] = {field.name: list(field.choices[0]) for field in self.task}
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
        """Return the choices of every gene."""
        return tuple(c for field in self.fields for c in field.choices)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Return a readable name of every gene, such as ``depth[mb4]``."""
        return tuple(label for field in self.fields for label in field.labels)

    @property
    def num_genes(self) -> int:
        return len(self.choices)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Return the rules, each between two genes."""
        return tuple(self.build_links())

    @cached_property
    def _forest(self) -> Forest:
        return Forest([len(c) for c in self.choices], self.links)

    @property
    def num_architectures(self) -> int:
        """Return the number of gene vectors that obey all rules."""
        return self._forest.count()

    def obeys(self, genes: np.ndarray) -> np.ndarray:
        """Return which rows of a gene matrix (n, num_genes) obey all rules, (n,) bool."""
        genes = np.atleast_2d(genes)
        out = np.ones(len(genes), bool)
        for link in self.links:
            out &= link.allowed[genes[:, link.first], genes[:, link.second]]
        return out

    def usable(self, genes: np.ndarray) -> np.ndarray:
        """Return which rows of a gene matrix are useful networks that obey all rules, (n,) bool."""
        return self.obeys(genes)

    @property
    def is_single(self) -> bool:
        """Return whether only one architecture is left."""
        return all(len(c) == 1 for c in self.choices)

    @cached_property
    def smallest(self) -> Arch:
        """Return the architecture with the minimum of every choice."""
        return self.from_genes([0] * self.num_genes)

    @cached_property
    def largest(self) -> Arch:
        """Return the architecture with the maximum of every choice."""
        return self.from_genes([len(c) - 1 for c in self.choices])

    # ------------------------------------------------------------------ architectures
    def arch(self, x: Arch | str | Path | Mapping | Sequence) -> Arch:
        """Read and validate an architecture.

        Args:
            x: an :class:`Arch`; a name from ``named``, ``'smallest'`` or ``'largest'``; a path to a
                JSON or YAML file; what ``str(arch)`` printed; a mapping of fields
                (``Arch.to_dict()``); or the authors' own form.

        Raises:
            ArchitectureError: the name is unknown (the closest names are listed), a field is
                unknown or missing, a value is outside the space (the gene, the value and its
                choices are named), or ``x`` is not an architecture at all.
        """
        fields = self.mapping(x)
        return self._check(from_mapping(self.name, self.fields, self.min_size, fields))

    def mapping(self, x: Arch | str | Path | Mapping | Sequence) -> Mapping:
        """Return an architecture's fields without checking their values.

        Args:
            x: any form that :meth:`arch` takes.
        """
        mapping: Any = x
        if isinstance(x, Arch):
            check_space(self.name, x.space)
            mapping = {k: v for k, v in x.to_dict().items() if k != 'space'}
        elif isinstance(x, (str, Path)):
            mapping = self.from_text(str(x))
            if mapping is None:
                mapping = from_text(self.name, self.fields, self._members(), str(x))
        if isinstance(mapping, Arch):
            return self.mapping(mapping)
        if isinstance(mapping, Mapping):
            return mapping
        try:
            return self.from_native(mapping)
        except ArchitectureError:
            raise
        except (TypeError, ValueError, OverflowError) as error:  # another nesting, no numbers
            raise ArchitectureError(
                f'{type(mapping).__name__} is not a {self.name} architecture in the form of its '
                f'authors: {error}'
            ) from error

    def _members(self) -> dict[str, Any]:
        """Return the architectures that have names, in any form."""
        ends = dict(smallest=self.smallest, largest=self.largest)
        return ends | {name: entry['arch'] for name, entry in self.zoo.items()}

    def from_native(self, x: Any) -> Mapping:
        """Read the authors' own form, if it is not a mapping."""
        raise ArchitectureError(
            f'{type(x).__name__} is not a {self.name} architecture; give a name, a '
            'mapping of fields, an Arch or a file'
        )

    def from_text(self, text: str) -> Mapping | Sequence | None:
        """Parse the authors' own form, if it is a string; return None if ``text`` is not one."""
        return None

    def _check(self, arch: Arch) -> Arch:
        """Check that genes do not contradict one another.

        Raises:
            ArchitectureError: two values do not go together; the message names them and the rule.
        """
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
        """Return the normal form: genes without effect are set to a fixed value."""
        return self.arch(arch)

    def canonical_genes(self, genes: np.ndarray) -> np.ndarray:
        """Do as :meth:`canonical`, for a gene matrix (n, num_genes)."""
        return genes

    # ------------------------------------------------------------------ genes
    def genes(self, arch: Any) -> np.ndarray:
        """Return the gene vector of one architecture, or the gene matrix of a list.

        Returns:
            (num_genes,) or (n, num_genes), int64.
        """
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
        """Convert a gene vector to its architecture, or a gene matrix to a list of them.

        Raises:
            ArchitectureError: the length is wrong, or an index is out of range (the gene is named).
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
        """Return the values behind a gene matrix (n, num_genes), by field.

        Returns:
            ``{field: (n, positions) or (n,)}``, int64.
        """
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
        """Return genes (n, num_genes) with the widths or the depths of another architecture.

        Args:
            other: the other architecture's genes, (num_genes,).
            role: ``'width'`` or ``'depth'``.
            positions: positions of that field; None: all.

        Raises:
            ArchitectureError: the field does not have one of the positions.
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
        """Map complexity levels in MACs to the smallest subnet of the levels up to each.

        The mapping is empty if the space's smallest member serves all levels.
        """
        return {}

    def above(self, floor: Arch) -> Space:
        """Return the space without the choices below an architecture's.

        Of patches those are the larger ones.  Fields named in ``never_floored`` stay as they are.
        """
        kept = {}
        for field in self.fields:
            if field.name in self.never_floored or field.role == TASK:
                continue
            least = floor[field.name] if field.positions else (floor[field.name],)
            sign = -1 if field.role == PATCH else 1
            choices = [
                [c for c in cs if sign * c >= sign * low] for cs, low in zip(field.choices, least)
            ]
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
        """Draw as :meth:`sample` does, but return a gene matrix (n, num_genes).

        Thousands of architectures take milliseconds.
        """
        return self.uniform_genes(rng, n)

    def sample_usable(self, rng: np.random.Generator | int, n: int, **how: Any) -> list[Arch]:
        """Draw ``n`` architectures as :meth:`sample` does, replacing useless ones by new draws.

        Args:
            how: further arguments of :meth:`sample_genes`.

        Raises:
            ArchitectureError: 1,000 rounds of draws have not filled the list.
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
        """Draw uniformly from all gene vectors that obey the rules, (n, num_genes)."""
        return self._forest.draw(np.random.default_rng(rng), n)

    # ------------------------------------------------------------------ derived spaces
    def restrict(self, **fields: Any) -> Space:
        """Return a space with fewer choices, for small images, demonstrations and tests.

        Args:
            fields: the choices left, by field.  For a scalar field give a value or a tuple of
                values; for the others a mapping ``position -> value or values`` (other positions
                stay as they are), or a list with one entry per position.  Only ``resolution`` may
                take values that the full space does not have.

        Example::

            space.restrict(resolution=(64, 80, 96), depth=dict(mb5=(3, 4), mb6=3))

        Raises:
            ArchitectureError: the space lacks a field, a position or a choice.
        """
        kept = restricted(self.name, self.fields, fields, self.min_size)
        derived = type(self)(kept)
        if derived.links:
            if not derived.num_architectures:
                raise ArchitectureError(
                    f'{self.name}: this restriction leaves no architecture: '
                    + '; '.join(sorted({link.rule for link in derived.links}))
                )
            kept = without_impossible(kept, derived._forest.possible())
        full = {f.name: f.choices for f in self.table}
        restriction = {
            f.name: [list(c) for c in f.choices]
            for f in kept
            if f.role != TASK and f.choices != full[f.name]
        }
        return type(self)(kept, restriction)

    def only(self, arch: Any) -> Space:
        """Return the space whose one member is ``arch``: a subnet is a supernet with one choice."""
        arch = self.arch(arch)
        return self.restrict(
            **{f.name: list(arch[f.name]) if f.positions else arch[f.name] for f in self.fields}
        )

    # ------------------------------------------------------------------ genes of the task
    @property
    def task(self) -> tuple[Field, ...]:
        """Return the fields that are genes of the task; none unless :meth:`with_task` gave them."""
        return tuple(field for field in self.fields if field.role == TASK)

    def with_task(self, task: Mapping[str, Any]) -> Space:
        """Return the space with genes of the task behind its own, in the place of any it had.

        An architecture that says nothing of them, such as a named one, stands at their largest
        choices, which are what the task's own config has.

        Args:
            task: gene -> its choices: ``scale``, the size of the input in percent of the task's;
                ``taps``, the width of the backbone's taps; ``head``, the width of the head;
                ``outputs``, how many maps the head takes, from the coarsest on.

        Raises:
            ArchitectureError: an unknown gene, or a value out of its range.
        """
        own = self.without_task
        return type(self)((*own.fields, *task_fields(self.name, task)), own._restriction)

    @property
    def without_task(self) -> Space:
        """Return the space of the backbones alone."""
        if not self.task:
            return self
        return type(self)([f for f in self.fields if f.role != TASK], self._restriction)

    def split(self, arch: Any) -> tuple[Arch, dict[str, int]]:
        """Return an architecture as a member of :attr:`without_task`, and its genes of the task."""
        arch = self.arch(arch)
        task = {field.name: arch[field.name] for field in self.task}
        own = {f.name: arch[f.name] for f in self.fields if f.role != TASK}
        return Arch(self.name, own), task

    # ------------------------------------------------------------------ named architectures
    @cached_property
    def zoo(self) -> dict[str, dict[str, Any]]:
        """Return the named members with their source, published and measured metrics."""
        entries = self._beside('zoo.json', {})
        return {name: entry for name, entry in entries.items() if self._has(entry['arch'])}

    @cached_property
    def weights(self) -> list[dict[str, str]]:
        """Return the files of weights that others have published of this space.

        An entry has ``holds`` (``'supernet'``, or the name of a network), ``link``, ``where``,
        ``licence``, and either ``file``, its name, or ``timm``, the name by which timm loads it;
        perhaps ``published``, metrics of what it holds.
        """
        return self._beside('weights.json', [])

    def _beside(self, name: str, default: Any) -> Any:
        """Return what a file beside the class's module holds of this space."""
        path = Path(inspect.getfile(type(self))).with_name(name)
        return json.loads(path.read_text()).get(self.name, default) if path.is_file() else default

    @cached_property
    def named(self) -> dict[str, Arch]:
        """Return the architecture of every name in :attr:`zoo`."""
        return {name: self.arch(entry['arch']) for name, entry in self.zoo.items()}

    def _has(self, x: Any) -> bool:
        try:
            self.arch(x)
        except ArchitectureError:
            return False
        return True

    def adopted(self, arch: Arch) -> Arch:
        """Return an architecture of another restriction of the space, with values that no block
        reads as this space has them.
        """
        return arch

    def __contains__(self, x: Any) -> bool:
        return self._has(x)


def is_many(archs: Any) -> bool:
    """Return whether the argument is a list of architectures rather than a single one.

    One architecture in its authors' own form is a list too, but its first entry is a number.
    """
    return isinstance(archs, (list, tuple)) and all(
        isinstance(a, (Arch, Mapping, str, list, tuple)) for a in archs
    )
