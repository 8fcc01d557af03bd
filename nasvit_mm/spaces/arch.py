"""An architecture: frozen, hashable, JSON."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Value = int | tuple[int, ...]
LONGEST_TEXT = 150  # of ``str(arch)``; what is longer ends in a digest


class Arch:
    """One member of a search space.

    Fields read as attributes (``arch.depth``) or items (``arch['depth']``): an int, or a tuple of
    ints with one entry per position of the field.  Made by ``Space.arch``, which validates; equal
    and hashed by space name and values, so it can be a key of a dict.
    """

    def __init__(self, space: str, fields: Mapping[str, Value]) -> None:
        # Fields are plain attributes: networks read them inside what torch.compile traces.
        self.__dict__.update(
            fields, _space=space, _fields=dict(fields), _hash=hash((space, tuple(fields.items())))
        )

    @property
    def space(self) -> str:
        """Name of the space it belongs to."""
        return self._space

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; ``Space.arch`` reads it back."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in self._fields.items()}
        return {'space': self._space, **plain}

    def replace(self, **fields: Value) -> Arch:
        """A copy with some fields changed (not validated: pass it through ``Space.arch``)."""
        unknown = set(fields) - set(self._fields)
        if unknown:
            raise KeyError(
                f'{self._space} architectures have the fields {list(self._fields)}, '
                f'not {sorted(unknown)}'
            )
        return Arch(self._space, {**self._fields, **fields})

    def save(self, path: str | Path) -> None:
        """Write the JSON form, accepted wherever ``arch=`` is."""
        Path(path).write_text(json.dumps(self.to_dict()) + '\n')

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
        parts = (
            k[0] + _dotted(v if isinstance(v, tuple) else (v,)) for k, v in self._fields.items()
        )
        text = f'{self._space}:{"-".join(parts)}'
        if len(text) <= LONGEST_TEXT:
            return text
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f'{text[: LONGEST_TEXT - len(digest)]}~{digest}'

    __repr__ = __str__


def _dotted(values: tuple[int, ...]) -> str:
    """``2.2.4``; six equal ones in a row, and more, as ``2x6``."""
    runs = ((value, len(list(run))) for value, run in itertools.groupby(values))
    return '.'.join(f'{v}x{n}' if n > 5 else '.'.join([str(v)] * n) for v, n in runs)


def load_arch_file(path: str | Path) -> dict[str, Any]:
    """The mapping in a JSON or YAML architecture file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON or YAML, or not a mapping inside.
    """
    path = Path(path)
    text = path.read_text()
    try:
        if path.suffix.lower() in ('.yml', '.yaml'):
            import yaml

            content = yaml.safe_load(text)
        else:
            content = json.loads(text)
    except Exception as error:
        raise ValueError(
            f'architecture file {path} is not valid {path.suffix.lstrip(".") or "json"}: {error}'
        ) from error
    if not isinstance(content, (dict, list)):
        raise ValueError(
            f'architecture file {path} holds a {type(content).__name__}, '
            'expected a mapping of fields'
        )
    return content
