"""What differs between tasks in a supernet's step: how to get outputs and losses at once."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.classification import ImageClassifier


class TaskOutput(NamedTuple):
    """Of one forward.

    Attributes:
        logits: what is distilled, each (N, classes, ...).
        loss: with the task's own labels, a scalar.
    """

    logits: tuple[torch.Tensor, ...]
    loss: torch.Tensor


class TaskAdapter:
    """Base: outputs and loss of a mmengine model by one forward.

    A task is a subclass, and an entry of :data:`TASKS`.
    """

    @staticmethod
    def fits(model: nn.Module) -> bool:
        """Whether the model is of this task."""
        raise NotImplementedError

    def forward(self, model: nn.Module, data: Mapping[str, Any]) -> TaskOutput:
        """Of a batch that the model's preprocessor has seen in training mode."""
        raise NotImplementedError

    def inputs(self, data: Mapping[str, Any]) -> torch.Tensor:
        """The pictures, (N, 3, H, W), for teachers."""
        return data['inputs']

    def score(self, model: nn.Module, data: Mapping[str, Any]) -> torch.Tensor:
        """Quality on a batch preprocessed as for evaluation, larger is better: minus the loss with
        plain labels.
        """
        raise NotImplementedError


class ClassificationTask(TaskAdapter):
    """:class:`nasvit_mm.classification.ImageClassifier`."""

    @staticmethod
    def fits(model: nn.Module) -> bool:
        return isinstance(model, ImageClassifier)

    def forward(self, model: ImageClassifier, data: Mapping[str, Any]) -> TaskOutput:
        logits = model(data['inputs'])
        return TaskOutput((logits,), model.loss(logits, data['labels'], data.get('targets')))

    def score(self, model: ImageClassifier, data: Mapping[str, Any]) -> torch.Tensor:
        return -nn.functional.cross_entropy(model(data['inputs']), data['labels'])


TASKS = [ClassificationTask]


def task_of(model: nn.Module) -> TaskAdapter:
    """The adapter for a model.

    Raises:
        TypeError: none fits it.
    """
    for task in TASKS:
        if task.fits(model):
            return task()
    raise TypeError(f'a supernet around {type(model).__name__}: no task adapter fits it; there are '
                    f'{", ".join(t.__name__ for t in TASKS)}')


def elastic_backbone(model: nn.Module) -> ElasticBackbone:
    """The elastic backbone in a model.

    Raises:
        TypeError: it has none, or a fixed one.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, ElasticBackbone):
        raise TypeError(f'a supernet around {type(model).__name__} needs an elastic backbone, not '
                        f'{type(backbone).__name__}')
    if backbone.space.is_single:
        raise ValueError(f"the backbone has one architecture ({backbone.arch}); give "
                         "arch='supernet'")
    return backbone
