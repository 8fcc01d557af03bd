"""How what a model answers is read while it computes its own loss."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from torch import nn

from nasvit_mm.dense.kinds.step import StepOutput, summed


class Call(NamedTuple):
    """One call of a method.

    Attributes:
        arguments: by their names, in the order of the signature.
        result: what it returned.
    """

    arguments: dict[str, Any]
    result: Any


@contextmanager
def heard(
    owner: Any,
    method: str,
    results: Sequence[Any] | None = None,
    copied: Callable[[Any], Any] = lambda result: result,
) -> Iterator[list[Call]]:
    """Record the calls of an object's method inside the block.

    Heads of mmseg and mmdet call their own methods directly, so that hooks of modules do not see
    them.

    Args:
        owner: whose method.
        method: its name.
        results: what the calls return, one after the other, in the place of running the method;
            None: run it.
        copied: copies a result that the caller changes.
    """
    original, calls = getattr(owner, method), []
    signature = inspect.signature(original)

    def record(*args: Any, **kwargs: Any) -> Any:
        given = results is not None and len(calls) < len(results)
        result = copied(results[len(calls)]) if given else original(*args, **kwargs)
        calls.append(Call(dict(signature.bind(*args, **kwargs).arguments), copied(result)))
        return result

    vars(owner)[method] = record
    try:
        yield calls
    finally:
        del vars(owner)[method]


class Answers(ABC):
    """What subnets of a step compare of their answers, beside the model's own loss.

    The loss is always the model's own; the answers are arguments of the head's method that computes
    it, heard on the way.  One is made for every forward.

    Attributes:
        rare: see :class:`StepOutput`.
    """

    rare = False

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @abstractmethod
    def listen(self, stack: ExitStack, objects: Any) -> None:
        """Record what is needed; with the objects of an earlier subnet, have the model use them."""

    def replaces(self, name: str) -> bool:
        """Return whether another subnet's answers take the place of this one of the losses."""
        return False

    @abstractmethod
    def read(self, objects: Any) -> dict[str, Any]:
        """Return logits, shapes and objects of :class:`StepOutput`, of what was heard."""

    def step(self, data: Mapping[str, Any], objects: Any = None) -> StepOutput:
        """Run a batch in training mode; see :meth:`ModelKind.forward`."""
        with ExitStack() as stack:
            self.listen(stack, objects)
            losses = self.model(**data, mode='loss')
        loss, _ = self.model.parse_losses(losses)
        rest = summed({k: v for k, v in losses.items() if not self.replaces(k)})
        return StepOutput(loss=loss, rest=rest, rare=self.rare, **self.read(objects))


def definer(part: nn.Module, method: str) -> str:
    """Return the name of the class that defines a part's method, '' where none does."""
    return next((k.__name__ for k in type(part).__mro__ if method in vars(k)), '')
