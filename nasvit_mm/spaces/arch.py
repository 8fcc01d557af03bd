"""An architecture: frozen, hashable, JSON."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasvit_mm.errors import ArchitectureError
from nasvit_mm.files import write_text
from nasvit_mm.spaces.field import TASK, Field
from nasvit_mm.spaces.task import GENES

Value = int | tuple[int, ...]
PART = re.compile(r'[a-z]\d+(x\d{1,3})?(\.\d+(x\d{1,3})?)*')  # one field of ``str(arch)``


class Arch:
    """One member of a search space.

    Fields read as attributes (``arch.depth``) or items (``arch['depth']``): an int, or a tuple of
    ints with one entry per position of the field.  ``Space.arch`` makes and validates one.
    Equality and hash go by space name and values, so it can be a dict's key.
    """

    def __init__(self, space: str, fields: Mapping[str, Value]) -> None:
        # Fields are plain attributes because networks read them in code that torch.compile traces.
        self.__dict__.update(
            fields, _space=space, _fields=dict(fields), _hash=hash((space, tuple(fields.items())))
        )

    @property
    def space(self) -> str:
        """Return the name of the space that it belongs to."""
        return self._space

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain JSON types, which ``Space.arch`` reads back."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in self._fields.items()}
        return {'space': self._space, **plain}

    def replace(self, **fields: Value) -> Arch:
        """Return a copy with some fields changed, without validation (``Space.arch`` validates)."""
        unknown = set(fields) - set(self._fields)
        if unknown:
            raise ArchitectureError(
                f'{self._space} architectures have the fields {list(self._fields)}, '
                f'not {sorted(unknown)}'
            )
        return Arch(self._space, {**self._fields, **fields})

    def save(self, path: str | Path) -> None:
        """Write the JSON form, which is accepted wherever ``arch=`` is."""
        write_text(path, json.dumps(self.to_dict()) + '\n')

    def __getattr__(self, name: str) -> Value:
        raise AttributeError(f'architecture has no field {name!r}')

    def __getitem__(self, name: str) -> Value:
        return self._fields[name]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError('an architecture is frozen; use Arch.replace')

    def __reduce__(self) -> tuple:
        return Arch, (self._space, self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Arch):
            return NotImplemented
        return self._space == other._space and self._fields == other._fields

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        """Return ``space:r224-w16.24-...``, which :meth:`Space.arch` reads back."""
        parts = (k[0] + _dotted(v) for k, v in self._fields.items())
        return f'{self._space}:{"-".join(parts)}'

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the fields as a table, and the printed form."""
        rows = ''.join(
            f'<tr><th>{name}</th><td>{_dotted(value)}</td></tr>'
            for name, value in self._fields.items()
        )
        return f'<table>{rows}</table><code>{html.escape(str(self))}</code>'


def _dotted(values: Value) -> str:
    """Format one value, or several as ``2.2.4``, with runs of six or more equal ones as ``2x6``."""
    several = values if isinstance(values, tuple) else (values,)
    runs = ((value, len(list(run))) for value, run in itertools.groupby(several))
    return '.'.join(f'{v}x{n}' if n > 5 else '.'.join([str(v)] * n) for v, n in runs)


def parsed_text(text: str, fields: Sequence[Field]) -> dict[str, Any] | None:
    """Read what ``str(arch)`` printed.

    Args:
        fields: fields of the space that the architecture should belong to.

    Returns:
        Values by field, with ``space``; None if the text has another form.
    """
    space, colon, rest = text.partition(':')
    parts = rest.split('-')
    if not colon or not all(PART.fullmatch(part) for part in parts):
        return None
    out: dict[str, Any] = {'space': space}
    fields = [field for field in fields if field.role != TASK]
    task = {name[0]: Field(name, (), ()) for name in GENES}
    more = [task.get(part[0]) for part in parts[len(fields) :]]
    if None in more:
        return out  # of another space: the error names what is expected
    for part, field in zip(parts, [*fields, *more]):
        if part[0] != field.name[0]:
            break  # of another space, or cut: the error names what is missing
        values: list[int] = []
        for run in part[1:].split('.'):
            value, _, times = run.partition('x')
            values += [int(value)] * int(times or 1)
        if not field.positions and len(values) > 1:
            return None
        out[field.name] = values if field.positions else values[0]
    return out


def load_arch_file(path: str | Path) -> dict[str, Any]:
    """Return the mapping (or authors' list) in a JSON or YAML architecture file.

    Raises:
        ArchitectureError: the file is not valid JSON or YAML, or holds no mapping or list.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding='utf-8')
        if path.suffix.lower() in ('.yml', '.yaml'):
            import yaml

            content = yaml.safe_load(text)
        else:
            content = json.loads(text)
    except Exception as error:
        raise ArchitectureError(
            f'architecture file {path} is not valid {path.suffix.lstrip(".") or "json"}: '
            f'{" ".join(str(error).split())}'  # YAML's errors are several lines
        ) from error
    if not isinstance(content, (dict, list)):
        raise ArchitectureError(
            f'architecture file {path} holds a {type(content).__name__}, '
            'expected a mapping of fields'
        )
    return content
