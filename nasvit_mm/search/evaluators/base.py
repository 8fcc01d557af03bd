"""What is measured of a candidate that is within its budget."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from nasvit_mm.arguments import parameters_of
from nasvit_mm.config import type_name
from nasvit_mm.errors import UsageError, raised, shown_value, unknown
from nasvit_mm.files import digest
from nasvit_mm.registry import SUBNET_EVALUATORS, registered
from nasvit_mm.spaces import Arch, Space, get_space


class CandidateError(Exception):
    """An evaluator could not measure a candidate; the message names the evaluator and says why."""


class Overdue(BaseException):
    """A candidate took too long; no evaluator that catches exceptions keeps it."""


# What is no deed of a user's code, whatever else it raises.
INTERRUPTIONS = (KeyboardInterrupt, GeneratorExit, Overdue)


class SubnetEvaluator:
    """Base: metrics of one architecture, the same in whatever order candidates come.

    Args:
        space: what is searched.
    """

    neutral: ClassVar[Collection[str]] = ()  # options that change no metric: a search resumes
    shares: ClassVar[bool] = False  # whether `look` measures on a share of the images
    takes_share: ClassVar[bool] = False  # whether that is an option `share`, for all candidates

    def __init__(self, space: Space) -> None:
        self.space = space

    @classmethod
    def describe(cls, **options: Any) -> dict[str, Any]:
        """Return what the metrics depend on besides the options themselves, JSON types: of a file
        its content.  An archive is of another search where it differs.

        Args:
            options: of the evaluator, without the space; it is not built.

        Returns:
            Anything by name; ``model`` is the config of the model that is measured, which must be
            the task's where it is a dense one, and ``default_scope`` of that.
        """
        return {}

    @classmethod
    def runs_by(cls, **options: Any) -> tuple[str, str] | None:
        """Return runtime and precision by which candidates are judged, None where these are those
        of training.

        Args:
            options: of the evaluator, without the space; it is not built.
        """
        return None

    @classmethod
    def check_images(cls, folder: str | Path, **options: Any) -> None:
        """Check what the images and annotations hold that the metrics come from, if any.

        Args:
            folder: where results of such checks are kept.
            options: of the evaluator, without the space; it is not built.

        Raises:
            DataError: something is wrong with them.
        """

    @classmethod
    def check_shares(cls, **options: Any) -> None:
        """Check that :meth:`look` can be right, before any candidate; see :attr:`shares`.

        Args:
            options: of the evaluator, without the space; it is not built.

        Raises:
            UsageError: a share of the images cannot be judged.
        """

    def __call__(self, arch: Arch) -> dict[str, float]:
        """Return metrics by name; NaN, or left out, where the candidate has none.

        A candidate on which it raises, exits, or ends its process is recorded as failed.
        """
        raise NotImplementedError

    def cheaper(self) -> Iterator[Mapping[str, Any]]:
        """Yield changes of the options by which an evaluation takes less time, each of one kind of
        option: what ``nasvit-mm search --advise`` tries.  Of one kind the cheapest comes first.
        """
        yield from ()

    def with_options(self, **changes: Any) -> SubnetEvaluator:
        """Return a copy with other options, of those that :meth:`cheaper` yields; it remembers no
        :meth:`look`.
        """
        other = copy(self)
        for name, value in changes.items():
            setattr(other, name, value)
        return other

    def look(self, arch: Arch, share: float) -> dict[str, float]:
        """Return the metrics by a share of the images, always the same ones; see :attr:`shares`."""
        raise NotImplementedError


@dataclass(frozen=True)
class EvaluatorSpec:
    """Which evaluator: enough to build it in any process, and to tell it from another one.

    Attributes:
        type: its name in the registry.
        options: its arguments without the space, JSON types.
        space: what is searched, as ``Space.to_dict()``.
        imports: modules to import before, of the config's ``custom_imports``.
        digest: of what :meth:`SubnetEvaluator.describe` returned, so that a worker that outlives a
            search does not take what it read for the next one.
        share: of the images by which is measured, of an evaluator that knows shares.
    """

    type: str
    options: Mapping[str, Any] = field(hash=False)
    space: Any = field(hash=False)
    imports: tuple[str, ...] = ()
    digest: str | None = None
    share: float = 1.0

    @classmethod
    def read(
        cls,
        cfg: Any,
        space: Space,
        imports: Sequence[str] = (),
        content: Mapping[str, Any] | None = None,
    ) -> EvaluatorSpec:
        """Read ``dict(type=name, ...)``.

        Args:
            content: what ``describe`` returned.

        Raises:
            UsageError: something else, or an unknown type.
        """
        for module in imports:
            import_module(module)
        evaluator_type(cfg)
        options = {k: v for k, v in cfg.items() if k != 'type'}
        known = digest(content) if content else None
        return cls(str(cfg['type']), options, space.to_dict(), tuple(imports), known)

    @property
    def kind(self) -> type[SubnetEvaluator]:
        """Import the modules, and return the class."""
        for module in self.imports:
            import_module(module)
        return evaluator_type(dict(type=self.type))

    def build(self) -> SubnetEvaluator:
        """Build the evaluator.

        Raises:
            UsageError: an argument that it does not have, or cannot use.
        """
        return _built(self.kind, self.type, self.options, get_space(self.space))

    def check_images(self, folder: str | Path) -> None:
        """Call :meth:`SubnetEvaluator.check_images`; the evaluator is not built."""
        self.kind.check_images(folder, **self.options)

    def check_shares(self) -> None:
        """Call :meth:`SubnetEvaluator.check_shares`; the evaluator is not built."""
        self.kind.check_shares(**self.options)

    def identity(self) -> dict[str, Any]:
        """Return what makes an archive's evaluator this one, but for the content of its files."""
        options = {k: v for k, v in self.options.items() if k not in self.kind.neutral}
        return dict(type=self.type, **options, imports=list(self.imports))


def of_share(specs: Sequence[EvaluatorSpec], share: float = 1.0) -> tuple[EvaluatorSpec, ...]:
    """Return the same evaluators, which measure by a share of the images."""
    return tuple(replace(spec, share=share) for spec in specs)


class Evaluators:
    """All evaluators of a search, built; their metrics come together.

    Args:
        specs: of all of the images, see :func:`of_share`.
    """

    def __init__(self, specs: Sequence[EvaluatorSpec]) -> None:
        self.specs = tuple(specs)
        self.evaluators = [spec.build() for spec in self.specs]

    def __call__(self, arch: Mapping[str, Any], share: float = 1.0) -> dict[str, float]:
        """Measure an architecture in the form of ``Arch.to_dict()``, by a share of the images.

        Raises:
            CandidateError: an evaluator raised whatever it may, or called ``sys.exit``.
            UsageError: an evaluator gives something else than numbers by name, or two give metrics
                of one name.
        """
        out, givers = {}, {}
        for place, evaluator in enumerate(self.evaluators):
            try:
                asked = evaluator.space.arch(arch)
                given = evaluator(asked) if share == 1 else evaluator.look(asked, share)
            except INTERRUPTIONS:
                raise
            except BaseException as error:
                raise CandidateError(
                    f'the evaluator {self.specs[place].type} raises {raised(error)}'
                ) from error
            for name, value in _numbers(evaluator, given).items():
                if name in out:
                    both = ' and '.join(self._named(i) for i in (givers[name], place))
                    raise UsageError(
                        f'the evaluators {both} both give {name!r}: call the metric of one of them '
                        'otherwise'
                    )
                out[name], givers[name] = value, place
        return out

    def _named(self, place: int) -> str:
        return f'{self.specs[place].type} (evaluators[{place}])'


def _numbers(evaluator: SubnetEvaluator, given: Any) -> dict[str, float]:
    try:
        found = {name: float(value) for name, value in given.items()}
        if not all(isinstance(name, str) for name in found):
            raise TypeError('a name that is no text')
        return found
    except Exception as error:  # of whatever stands for a number
        raise CandidateError(
            f'the evaluator {type(evaluator).__name__} gives {shown_value(given)}, expected a '
            'dict of numbers by name'
        ) from error


def evaluator_type(cfg: Any) -> type[SubnetEvaluator]:
    """Return the class that ``dict(type=name, ...)`` names.

    Raises:
        UsageError: no such dict, or an unknown type.
    """
    if not isinstance(cfg, Mapping):
        raise UsageError(f'evaluator = {cfg!r}, expected dict(type=name, ...)')
    named = isinstance(cfg.get('type'), str)
    kind = registered(SUBNET_EVALUATORS, type_name(cfg)) if named else None
    if kind is None:
        allowed = sorted(SUBNET_EVALUATORS.module_dict)
        raise UsageError(
            unknown('evaluator type', cfg.get('type'), allowed)
            + '; custom_imports names the module of one of your own'
        )
    if not (isinstance(kind, type) and issubclass(kind, SubnetEvaluator)):
        raise UsageError(f'evaluator type = {cfg["type"]!r} is no subclass of SubnetEvaluator')
    return kind


def describe_evaluator(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Call :meth:`SubnetEvaluator.describe` of ``dict(type=name, ...)``.

    Raises:
        UsageError: an unknown type or argument, or whatever it raises.
    """
    kind, options = evaluator_type(cfg), {k: v for k, v in cfg.items() if k != 'type'}
    try:
        return kind.describe(**options)
    except UsageError:
        raise
    except TypeError as error:
        raise UsageError(f'evaluator {cfg["type"]}: {error}') from error
    except INTERRUPTIONS:
        raise
    except BaseException as error:
        raise UsageError(f'evaluator {cfg["type"]}: describe raises {raised(error)}') from error


def check_images(cfg: Mapping[str, Any], folder: str | Path) -> None:
    """Call :meth:`SubnetEvaluator.check_images` of ``dict(type=name, ...)``."""
    options = {k: v for k, v in cfg.items() if k != 'type'}
    evaluator_type(cfg).check_images(folder, **options)


def build_evaluator(cfg: Mapping[str, Any], space: Space) -> SubnetEvaluator:
    """Build ``dict(type=name, ...)`` for a space.

    Raises:
        UsageError: an unknown type or argument.
    """
    options = {k: v for k, v in cfg.items() if k != 'type'}
    return _built(evaluator_type(cfg), cfg['type'], options, space)


def _built(
    kind: type[SubnetEvaluator], name: str, options: Mapping[str, Any], space: Space
) -> SubnetEvaluator:
    try:
        return kind(space, **options)
    except UsageError:
        raise
    except TypeError as error:
        allowed = [each for each in parameters_of(kind) if each != 'space']
        wrong = next((each for each in options if each not in allowed), None)
        said = str(error) if wrong is None else unknown('option', wrong, allowed)
        raise UsageError(f'evaluator {name}: {said}') from error
    except INTERRUPTIONS:
        raise
    except BaseException as error:
        raise UsageError(f'evaluator {name} cannot be built: {raised(error)}') from error
