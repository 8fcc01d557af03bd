"""What differs between tasks in a supernet's step: how to get outputs and losses at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.classification import ImageClassifier


class TaskOutput(NamedTuple):
    """Of one forward.

    Attributes:
        logits: what is distilled, each (N, classes, ...); none where nothing can be.
        loss: with the task's own labels, a scalar.
        rest: the part of it that the logits do not say (of a detector the boxes), which a subnet
            that learns from another one keeps.
        rare: class 0 of the logits is seldom the true one, as among a detector's anchors; what is
            distilled is weighed as by a focal loss.
    """

    logits: tuple[torch.Tensor, ...]
    loss: torch.Tensor
    rest: torch.Tensor | float = 0.0
    rare: bool = False


class TaskAdapter:
    """Base: outputs and loss of a mmengine model by one forward.

    A task is a subclass, and an entry of :data:`TASKS`.

    Attributes:
        distils: whether one subnet can learn from another's logits.
        classifies: whether its logits are those of a classifier, which external teachers are.
    """

    distils = True
    classifies = False

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

    def clean(self, model: nn.Module, data: Any) -> Mapping[str, Any]:
        """A training batch preprocessed for :meth:`score`, without mixup."""
        return model.data_preprocessor(data, False)

    def score(self, model: nn.Module, data: Mapping[str, Any]) -> torch.Tensor:
        """Quality on a batch of :meth:`clean`, larger is better: minus the loss with plain
        labels.
        """
        raise NotImplementedError

    def extract(self, model: nn.Module, arch: Any, phase: int = 0) -> nn.Module:
        """The model of one architecture: the elastic parts sliced, the others copied."""
        subnet = extract_subnet(model.backbone, arch, phase)
        return copy.deepcopy(model, {id(model.backbone): subnet})


class ClassificationTask(TaskAdapter):
    """:class:`nasvit_mm.classification.ImageClassifier`."""

    classifies = True

    @staticmethod
    def fits(model: nn.Module) -> bool:
        return isinstance(model, ImageClassifier)

    def forward(self, model: ImageClassifier, data: Mapping[str, Any]) -> TaskOutput:
        logits = model(data['inputs'])
        return TaskOutput((logits,), model.loss(logits, data['labels'], data.get('targets')))

    def score(self, model: ImageClassifier, data: Mapping[str, Any]) -> torch.Tensor:
        return -nn.functional.cross_entropy(model(data['inputs']), data['labels'])

    def extract(self, model: ImageClassifier, arch: Any, phase: int = 0) -> ImageClassifier:
        subnet = extract_subnet(model.classifier(), arch, phase)
        return copy.deepcopy(
            model, {id(model.backbone): subnet.backbone, id(model.head): subnet.head}
        )


class SegmentationTask(TaskAdapter):
    """mmseg's ``EncoderDecoder``; logits of the decode head, (N, classes, H, W).

    Auxiliary heads train with labels whatever the subnet learns from.
    """

    @staticmethod
    def fits(model: nn.Module) -> bool:
        return hasattr(model, 'encode_decode') and not isinstance(
            getattr(model, 'decode_head', None), (nn.ModuleList, type(None))
        )

    def forward(self, model: nn.Module, data: Mapping[str, Any]) -> TaskOutput:
        maps, samples = model.extract_feat(data['inputs']), data['data_samples']
        logits = model.decode_head(maps)
        loss = _summed(model.decode_head.loss_by_feat(logits, samples))
        rest = 0.0
        if model.with_auxiliary_head:
            rest = _summed(model._auxiliary_head_forward_train(maps, samples))
        return TaskOutput((logits,), loss + rest, rest)

    def clean(self, model: nn.Module, data: Any) -> Mapping[str, Any]:
        return model.data_preprocessor(data, True)  # which pads pictures to one size

    def score(self, model: nn.Module, data: Mapping[str, Any]) -> torch.Tensor:
        logits = model.decode_head(model.extract_feat(data['inputs']))
        return -_summed(model.decode_head.loss_by_feat(logits, data['data_samples']))


class OneStageTask(TaskAdapter):
    """mmdet's detectors of one stage with class scores by a sigmoid (RetinaNet).

    The logits are maps of every level as choices between a class and not the class,
    (N, 2, anchors * classes, H, W): their softmax is the sigmoid.
    """

    @staticmethod
    def fits(model: nn.Module) -> bool:
        head = getattr(model, 'bbox_head', None)
        return hasattr(head, 'loss_by_feat') and getattr(head, 'use_sigmoid_cls', False)

    def forward(self, model: nn.Module, data: Mapping[str, Any]) -> TaskOutput:
        from mmdet.models.utils import unpack_gt_instances

        outputs = model.bbox_head(model.extract_feat(data['inputs']))
        instances, ignored, metas = unpack_gt_instances(data['data_samples'])
        losses = model.bbox_head.loss_by_feat(*outputs, instances, metas, ignored)
        loss = _summed(losses)
        classes = _summed({k: v for k, v in losses.items() if 'cls' in k})
        return TaskOutput(
            tuple(torch.stack([z, torch.zeros_like(z)], 1) for z in outputs[0]),
            loss,
            loss - classes,
            rare=True,
        )

    def score(self, model: nn.Module, data: Mapping[str, Any]) -> torch.Tensor:
        return -self.forward(model, data).loss


class TwoStageTask(TaskAdapter):
    """mmdet's detectors of two stages (Mask R-CNN): their losses only, nothing to distil."""

    distils = False

    @staticmethod
    def fits(model: nn.Module) -> bool:
        return getattr(model, 'roi_head', None) is not None

    def forward(self, model: nn.Module, data: Mapping[str, Any]) -> TaskOutput:
        return TaskOutput((), _summed(model.loss(data['inputs'], data['data_samples'])))

    def score(self, model: nn.Module, data: Mapping[str, Any]) -> torch.Tensor:
        return -self.forward(model, data).loss


def _summed(losses: Mapping[str, Any]) -> torch.Tensor:
    """As mmengine's ``parse_losses``: what has 'loss' in its name, lists summed."""
    return sum(
        v.mean() if torch.is_tensor(v) else sum(part.mean() for part in v)
        for name, v in losses.items()
        if 'loss' in name
    )


TASKS = [ClassificationTask, SegmentationTask, OneStageTask, TwoStageTask]


def task_of(model: nn.Module) -> TaskAdapter:
    """The adapter for a model.

    Raises:
        TypeError: none fits it.
    """
    for task in TASKS:
        if task.fits(model):
            return task()
    raise TypeError(
        f'a supernet around {type(model).__name__}: no task adapter fits it; there are '
        f'{", ".join(t.__name__ for t in TASKS)}'
    )


def elastic_backbone(model: nn.Module) -> ElasticBackbone:
    """The elastic backbone in a model.

    Raises:
        TypeError: it has none, or a fixed one.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, ElasticBackbone):
        raise TypeError(
            f'a supernet around {type(model).__name__} needs an elastic backbone, not '
            f'{type(backbone).__name__}'
        )
    if backbone.space.is_single:
        raise ValueError(
            f"the backbone has one architecture ({backbone.arch}); give arch='supernet'"
        )
    return backbone
