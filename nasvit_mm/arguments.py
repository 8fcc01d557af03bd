"""What a class or function takes: the names of its arguments, and whether a value fits one.

Annotations say what is allowed.  Those of this project, mmengine and torch are taken at their word;
of others only what no reading of them allows is refused: a text or a dict where numbers stand.
"""

from __future__ import annotations

import dis
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, Union

from nasvit_mm.errors import UsageError, closest, shown_value

EXACT = ('nasvit_mm', 'mmengine', 'torch')  # packages whose annotations say all that is allowed
NUMBERS = (bool, int, float)
PLAIN = (*NUMBERS, str, dict, list, tuple, types.NoneType)


@cache
def parameters_of(kind: Callable) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function, or of a class, also those that it hands to its bases."""
    out: dict[str, inspect.Parameter] = {}
    for base in getattr(kind, '__mro__', (kind,)):
        init = base.__dict__.get('__init__') if isinstance(base, type) else base
        if init is None or base is object:
            continue
        parameters = _signature(init)[isinstance(base, type) :]
        for each in parameters:
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL):
                out.setdefault(each.name, each)
        if not any(each.kind is each.VAR_KEYWORD for each in parameters):
            break
    return out


@cache
def drops_the_rest(kind: type) -> bool:
    """Return whether a class takes arguments of any name, and reads none but the named ones."""
    for base in kind.__mro__:
        init = base.__dict__.get('__init__')
        if init is None or base is object:
            continue
        rest = [each.name for each in _signature(init) if each.kind is each.VAR_KEYWORD]
        if not rest or not inspect.isfunction(init):
            return False
        code = inspect.unwrap(init).__code__
        if rest[0] not in code.co_cellvars and not any(
            each.argval == rest[0] for each in dis.get_instructions(code)
        ):
            return True
    return False


def _signature(function: Callable) -> list[inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return [each.replace(annotation=_resolved(each, function)) for each in parameters]


def _resolved(parameter: inspect.Parameter, function: Callable) -> Any:
    """Return an annotation as a type; Any where it has a name that only type checkers know."""

    def holder() -> None: ...

    holder.__annotations__ = {parameter.name: parameter.annotation}
    names = getattr(function, '__globals__', {})
    try:
        return inspect.get_annotations(holder, globals=names, eval_str=True)[parameter.name]
    except Exception:
        return Any


def misfit(kind: Callable, name: str, value: Any) -> str:
    """Return what a class or function expects as an argument, empty if a value fits.

    Args:
        name: of the argument; one that ``kind`` does not have fits.
        value: of a config; objects that are none of Python's plain types fit.
    """
    parameter = parameters_of(kind).get(name)
    if parameter is None or not isinstance(value, (*PLAIN, Mapping)):
        return ''
    exact = str(getattr(kind, '__module__', '')).partition('.')[0] in EXACT
    allowed = _allowed(parameter)
    if not allowed or any(_fits(value, each, exact) for each in allowed):
        return ''
    if value is None and (not exact or parameter.default is None):
        return ''
    if not exact and not _surely_wrong(value, allowed):
        return ''
    return ' or '.join(dict.fromkeys(map(_word, allowed)))


def _surely_wrong(value: Any, allowed: list[type]) -> bool:
    """Return whether a value that annotations do not name is wrong, however loosely they are meant.

    Numbers and lists often stand for each other where annotations tell only one of them.
    """
    if isinstance(value, NUMBERS):
        return set(allowed) <= {dict, types.NoneType}
    return isinstance(value, (str, Mapping)) and all(each in PLAIN for each in allowed)


def _allowed(parameter: inspect.Parameter) -> list[type]:
    """Return the types that an annotation, or else a default, names; empty if all are allowed."""
    given = parameter.annotation
    if given is parameter.empty:  # unannotated: an option that is on or off, or a number
        default = parameter.default
        return [type(default)] if isinstance(default, NUMBERS) else []
    found = list(_atoms(given))
    known = all(isinstance(each, type) and each not in (Any, object) for each in found)
    return found if known else []


def _atoms(annotation: Any) -> Iterable[Any]:
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        for each in typing.get_args(annotation):
            yield from _atoms(each)
    elif origin is Literal:
        yield from {type(each) for each in typing.get_args(annotation)}
    elif annotation is None:
        yield types.NoneType
    else:
        yield Any if annotation is Any else origin or annotation


def _fits(value: Any, kind: type, exact: bool) -> bool:
    if kind is bool:
        return isinstance(value, bool) or (isinstance(value, (int, float)) and value in (0, 1))
    if kind is int:
        return isinstance(value, int) or (
            isinstance(value, float) and (not exact or value.is_integer())
        )
    if kind is float:
        return isinstance(value, (int, float))
    if isinstance(value, (str, list, tuple)) and kind not in (str, dict):
        return _is_list(kind)  # one of several may stand for all, and a tuple for a list
    if isinstance(value, Mapping):  # one with a type is built before it is given
        return issubclass(kind, Mapping) or ('type' in value and kind not in (*PLAIN, set))
    return isinstance(value, kind)


def _is_list(kind: type) -> bool:
    return issubclass(kind, (list, tuple, set)) or (kind is not object and issubclass(list, kind))


def _word(kind: type) -> str:
    named = {
        types.NoneType: 'None',
        str: 'a text',
        bool: 'True or False',
        int: 'a whole number',
        float: 'a number',
    }
    if kind in named:
        return named[kind]
    if issubclass(kind, Mapping):
        return 'dict(...)'
    return 'a list' if _is_list(kind) else kind.__name__


def check_argument(kind: Callable, name: str, value: Any, where: str = '') -> None:
    """Check the value of an argument.

    Args:
        where: what its name begins with in the message.

    Raises:
        UsageError: names the argument, the value and what is expected.
    """
    expected = misfit(kind, name, value)
    if expected:
        raise UsageError(f'{where}{name} = {shown_value(value)}, expected {expected}')


def check_arguments(
    kind: Callable,
    given: Mapping[str, Any],
    where: str,
    also: Iterable[str] = (),
    without: Iterable[str] = ('self',),
) -> None:
    """Check names and values of the arguments that a config gives to a class or function.

    Args:
        where: dotted key of ``given``.
        also: names that are taken besides those of ``kind``.
        without: names of ``kind`` that a config does not give.

    Raises:
        UsageError: names the key, and what is allowed.
    """
    allowed = [*(name for name in parameters_of(kind) if name not in without), *also]
    for name, value in given.items():
        if name not in allowed:
            raise UsageError(
                f'{where} has {name}{closest(name, allowed)}, allowed: {", ".join(allowed)}'
            )
        if name not in also:
            check_argument(kind, name, value, f'{where}.')
