"""Whether a value fits an argument: by annotations, taken at their word where they are exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nasvit_mm.arguments import check_arguments, misfit, parameters_of
from nasvit_mm.errors import UsageError


class Base:
    def __init__(self, flag: bool = False, count: int | None = None, free=1.0) -> None: ...


class Exact(Base):
    """As one of this project."""

    __module__ = 'nasvit_mm.somewhere'

    def __init__(
        self,
        name: str,
        rate: float = 0.1,
        sizes: Sequence[int] = (),
        cfg: dict | None = None,
        other: Any = None,
        made: Callable | None = None,
        unknown: NoSuchName = 0,  # noqa: F821
        **kwargs: Any,
    ) -> None: ...


class Loose(Exact):
    """As one of a package whose annotations are hints."""

    __module__ = 'elsewhere'

    def __init__(
        self,
        rate: float = 0.1,
        sizes: Sequence[int] = (),
        cfg: dict = None,  # noqa: RUF013
        cfgs: dict = None,  # noqa: RUF013
        flag=False,
    ) -> None: ...


@pytest.mark.parametrize(
    ('kind', 'name', 'value'),
    [
        (Exact, 'flag', 1),
        (Exact, 'flag', True),
        (Exact, 'count', None),
        (Exact, 'count', 2.0),
        (Exact, 'rate', 1),
        (Exact, 'sizes', [1, 2]),
        (Exact, 'sizes', 'one for all'),
        (Exact, 'cfg', {}),
        (Exact, 'other', 'x'),
        (Exact, 'made', dict(type='Made')),
        (Exact, 'unknown', 'x'),
        (Exact, 'not_there', 'x'),
        (Exact, 'rate', object()),
        (Loose, 'rate', [0.1]),
        (Loose, 'rate', None),
        (Loose, 'sizes', 3),
        (Loose, 'cfgs', [{}]),
    ],
)
def test_it_fits(kind: type, name: str, value: Any) -> None:
    assert misfit(kind, name, value) == ''


@pytest.mark.parametrize(
    ('kind', 'name', 'value', 'expected'),
    [
        (Exact, 'flag', 'x', 'True or False'),
        (Exact, 'flag', 2, 'True or False'),
        (Exact, 'count', 1.5, 'a whole number or None'),
        (Exact, 'free', 'x', 'a number'),
        (Exact, 'name', 5, 'a text'),
        (Exact, 'rate', None, 'a number'),
        (Exact, 'sizes', 5, 'a list'),
        (Exact, 'cfg', 'x', 'dict(...) or None'),
        (Loose, 'rate', 'x', 'a number'),
        (Loose, 'rate', {}, 'a number'),
        (Loose, 'cfg', 5, 'dict(...)'),
        (Loose, 'flag', 'x', 'True or False'),
    ],
)
def test_it_does_not(kind: type, name: str, value: Any, expected: str) -> None:
    assert misfit(kind, name, value) == expected


def test_names_are_those_of_the_bases_too() -> None:
    assert list(parameters_of(Exact))[-3:] == ['flag', 'count', 'free']
    assert 'name' not in parameters_of(Loose), 'it hands nothing on'
    with pytest.raises(UsageError, match=r'x\.y has falg .did you mean flag'):
        check_arguments(Exact, dict(falg=1), 'x.y')
