"""What is measured of a candidate that is within its budget."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar

from nasvit_mm.config import type_name
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.spaces import Arch, Space, get_space

# One evaluator serves all threads of a process; it seeds generators and takes prints that are the
# process's.
_LOCK = threading.Lock()
ABOUT = ('imports', 'content')  # in an evaluator's config what is none of its options


class SubnetEvaluator:
    """Base: figures of one architecture, the same in whatever order candidates come.

    Args:
        space: what is searched.
    """

    neutral: ClassVar[Collection[str]] = ()  # options that change no figure: a search goes on

    def __init__(self, space: Space) -> None:
        self.space = space

    @classmethod
    def describe(cls, **options: Any) -> dict[str, Any]:
        """What the figures depend on besides the options themselves, JSON types: of a file its
        content.  An archive is of another search where it differs.

        Args:
            options: of the evaluator, without the space; it is not built.

        Returns:
            Anything by name; ``model`` is the config of the model that is measured, which must be
            the task's where it is a dense one, and ``default_scope`` of that.
        """
        return {}

    def __call__(self, arch: Arch) -> dict[str, float]:
        """Figures by name; NaN, or left out, where the candidate has none."""
        raise NotImplementedError


@lru_cache(maxsize=2)
def _evaluator(cfg: str) -> SubnetEvaluator:
    options = json.loads(cfg)
    options.pop('content', None)  # by which evaluators of other files are others
    for module in options.pop('imports', ()):
        import_module(module)
    return build_evaluator(options, get_space(options.pop('space')))


def evaluator_type(cfg: Any) -> type[SubnetEvaluator]:
    """The class that ``dict(type=name, ...)`` names.

    Raises:
        UsageError: no such dict, or an unknown type.
    """
    if not isinstance(cfg, Mapping):
        raise UsageError(f'evaluator = {cfg!r}, expected dict(type=name, ...)')
    name = cfg.get('type')
    kind = SUBNET_EVALUATORS.get(type_name(cfg))
    if kind is None:
        raise UsageError(
            f'evaluator type = {name!r}, allowed: '
            f'{", ".join(sorted(SUBNET_EVALUATORS.module_dict))}; custom_imports '
            'names the module of one of your own'
        )
    return kind


def describe_evaluator(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """:meth:`SubnetEvaluator.describe` of ``dict(type=name, ...)``.

    Raises:
        UsageError: an unknown type or argument.
    """
    kind, options = evaluator_type(cfg), {k: v for k, v in cfg.items() if k != 'type'}
    try:
        return kind.describe(**options)
    except TypeError as error:
        raise UsageError(f'evaluator {cfg["type"]}: {error}') from error


def build_evaluator(cfg: Mapping[str, Any], space: Space) -> SubnetEvaluator:
    """``dict(type=name, ...)`` to an evaluator of a space.

    Raises:
        UsageError: an unknown type or argument.
    """
    kind, options = evaluator_type(cfg), {k: v for k, v in cfg.items() if k != 'type'}
    try:
        return kind(space, **options)
    except TypeError as error:
        raise UsageError(f'evaluator {cfg["type"]}: {error}') from error


def evaluate(cfg: str, arch: Mapping[str, Any]) -> dict[str, float]:
    """Figures of an architecture, in whatever process: the evaluator is built once in each, and its
    threads take turns.

    Args:
        cfg: JSON of ``dict(type=, space=, imports=[modules], content=, ...)``; ``content`` is a
            digest of the files that it reads, so that a worker which outlives a search does not
            take what it read for the next one.
        arch: ``Arch.to_dict()``.

    Raises:
        UsageError: the evaluator gives something else than numbers by name.
    """
    with _LOCK:
        evaluator = _evaluator(cfg)
        given = evaluator(evaluator.space.arch(arch))
    try:
        return {name: float(value) for name, value in given.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f'the evaluator {type(evaluator).__name__} gives {given!r}, expected a '
            'dict of numbers by name'
        ) from error
