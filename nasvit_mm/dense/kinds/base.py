"""What the rest of the project asks of a model, whatever kind it is of."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.config import type_name
from nasvit_mm.dense.elastic import extracted_parts
from nasvit_mm.dense.kinds.answers import Answers
from nasvit_mm.dense.kinds.drawing import Draw, Drawing
from nasvit_mm.dense.kinds.step import StepOutput
from nasvit_mm.dense.trace import left_by_losses
from nasvit_mm.errors import UsageError

Forward = Callable[[nn.Module, Tensor], Any]


class ModelKind:
    """One kind of mmengine model: how it is trained, counted, checked and used.

    The base knows mmengine's contract alone: ``model(**data, mode='loss')`` gives losses, and
    ``model(images, mode='tensor')`` computes what a prediction takes.  So it trains by labels only.
    A kind is a subclass in the registry ``KINDS`` that says more; the one registered last is asked
    first.  It holds no state.

    Attributes:
        distils: whether its own :meth:`forward` gives logits, from which another subnet can learn;
            where `answers` says it of a model, that counts.
        classifies: whether its logits are those of a classifier, which external teachers are.
        predicts: what a deployed model of it gives, ``'label map'``, ``'boxes'`` or ``'classes'``;
            None: it cannot be deployed.
        parts: keys of a model's config, any of which tells the kind before the model is built.
        takes: keys of the parts that take the backbone's maps where there is no neck.
        class_heads: dotted names of the children that know the number of classes, the first that
            is there counts; after them the model itself is asked.
        writes: what `drawer` writes, and the folder of it.
        any_scale: whether its predictions and losses are at the image's size whatever the size of
            the backbone's maps, so that the backbone may compute at another scale.
        trains_only: children, and keys of the config, that do not run in a prediction, or compute
            nothing in it.
    """

    distils: ClassVar[bool] = False
    classifies: ClassVar[bool] = False
    predicts: ClassVar[str | None] = None
    parts: ClassVar[tuple[str, ...]] = ()
    takes: ClassVar[tuple[str, ...]] = ()
    class_heads: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[tuple[str, str]] = ('predictions', '')
    any_scale: ClassVar[bool] = False
    trains_only: ClassVar[frozenset[str]] = frozenset({'auxiliary_head', 'data_preprocessor'})

    # ------------------------------------------------------------------ which models
    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        """Return whether the model is of this kind, so that a first step cannot fail for it."""
        raise NotImplementedError

    @classmethod
    def fits_config(cls, model: Mapping[str, Any]) -> bool:
        """Return whether the config is of a model of this kind, as far as its parts tell."""
        return any(model.get(part) for part in cls.parts)

    # ------------------------------------------------------------------ training
    def forward(self, model: nn.Module, data: Mapping[str, Any]) -> StepOutput:
        """Run a batch that the model's preprocessor has seen in training mode.

        The loss is the model's own, by mmengine's ``parse_losses``.
        """
        return self._heard(model, data, None)

    def forward_on(self, model: nn.Module, data: Mapping[str, Any], objects: Any) -> StepOutput:
        """Run a batch as :meth:`forward` does, to be compared with an earlier subnet of the step.

        Args:
            objects: of the earlier one's output, for which this one answers too; its logits and
                shapes are of them, in their order.
        """
        if type(self).forward is not ModelKind.forward:
            return self.forward(model, data)
        return self._heard(model, data, objects)

    def _heard(self, model: nn.Module, data: Mapping[str, Any], objects: Any) -> StepOutput:
        answers = self.answers(model)
        if answers is not None:
            return answers.step(data, objects)
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        return StepOutput((), loss)

    def answers(self, model: nn.Module) -> Answers | None:
        """Return what is compared of a model's answers; None: nothing, it trains by labels only."""
        return None

    def teaches(self, model: nn.Module) -> bool:
        """Return whether one subnet of a model can learn from another one's answers."""
        return self.distils or self.answers(model) is not None

    def inputs(self, data: Mapping[str, Any]) -> Tensor:
        """Return the images, (N, 3, H, W), for teachers."""
        return data['inputs']

    def clean(self, model: nn.Module, data: Any) -> Mapping[str, Any]:
        """Preprocess a training batch for :meth:`score`, without mixup."""
        return model.data_preprocessor(data, False)

    def score(self, model: nn.Module, data: Mapping[str, Any]) -> Tensor:
        """Return the quality on a batch of :meth:`clean`, larger is better: minus the loss with
        plain labels.
        """
        return -self.forward(model, data).loss

    def extract(self, model: nn.Module, arch: Any, phase: int = 0) -> nn.Module:
        """Return the model of one architecture: the elastic parts sliced, the others copied."""
        subnet = extract_subnet(model.backbone, arch, phase)
        parts = {id(model.backbone): subnet, **extracted_parts(model, arch)}
        return copy.deepcopy(model, parts | left_by_losses(model))

    # ------------------------------------------------------------------ prediction
    def prediction_fn(self, model: nn.Module, size: tuple[int, int]) -> Forward:
        """Return ``forward(model, images)``, which runs what of a prediction computes.

        It is what is counted, timed and exported: boxes are not chosen.  It gives a tensor, or
        nested ones, for images (N, 3, H, W).

        Args:
            size: (height, width) of the images.

        Raises:
            UsageError: this model's prediction is not known how to run.
        """
        if 'data_samples' not in inspect.signature(model.forward).parameters:
            return lambda model, images: model(images, mode='tensor')
        meta = image_meta(size)

        def forward(model: nn.Module, images: Tensor) -> Any:
            samples = [BaseDataElement(metainfo=meta) for _ in range(images.shape[0])]
            return model(images, samples, mode='tensor')

        return forward

    def counted_with(self, model: nn.Module) -> dict[str, int]:
        """Return what beside the size of the image a count depends on: name -> number an image."""
        return {}

    def training_parts(self, model: nn.Module) -> frozenset[str]:
        """Return dotted names of the parts of a model that do not run in a prediction."""
        return self.trains_only

    # ------------------------------------------------------------------ what its parts are
    def head(self, model: nn.Module) -> tuple[str, nn.Module] | None:
        """Return dotted name and module of the head that knows the classes (of several in a row
        the last, whose output is the prediction); None where no part says how many there are.
        """
        for name in (*self.class_heads, ''):
            head = child(model, name)
            head = head[-1] if isinstance(head, nn.ModuleList) else head
            if hasattr(head, 'num_classes'):
                return name, head
        return None

    @classmethod
    def config_takers(cls, model: Mapping[str, Any]) -> list[Any]:
        """Return the parts of a model's config that take the backbone's maps: the neck, of several
        in a row the first, or the heads.
        """
        if model.get('neck'):
            return _listed(model['neck'])[:1]
        return cls.config_heads(model)

    @classmethod
    def config_heads(cls, model: Mapping[str, Any]) -> list[Any]:
        """Return the parts of a model's config that take the neck's maps, or the backbone's."""
        return [part for key in cls.takes if model.get(key) for part in _listed(model[key])]

    # ------------------------------------------------------------------ for people
    @classmethod
    def write_results(cls, evaluator: dict[str, Any], folder: str) -> None:
        """Set the config of a metric to write what the model predicts into a folder.

        Raises:
            UsageError: the kind, or the metric, has nothing to write.
        """
        raise UsageError(
            '--out writes label maps of segmentors and boxes of detectors; the model of this '
            'config is neither: leave it out'
        )

    @classmethod
    def drawer(cls, cfg: Config, weights: str, how: Drawing) -> Draw:
        """Return ``draw(image, out_dir, name)``, which draws what a trained model predicts for a
        file or URL to ``OUT_DIR/vis/NAME``, and writes it beside, as `writes` says.

        Raises:
            UsageError: the kind has nothing to draw.
        """
        raise UsageError(
            'the demo draws classes of segmentors and boxes of detectors; the model of this config '
            f'({type_name(cfg.model)}) is neither'
        )


def child(model: nn.Module, name: str) -> nn.Module | None:
    """Return a child by its dotted name, the model itself for ``''``; None where it has none."""
    found = model
    for part in filter(None, name.split('.')):
        found = getattr(found, part, None)
    return found


def derives(model: nn.Module, package: str, name: str) -> bool:
    """Return whether a model is of a class of a package that may not be installed."""
    return any(
        kind.__name__ == name and kind.__module__.startswith(f'{package}.')
        for kind in type(model).__mro__
    )


def image_meta(size: tuple[int, int]) -> dict[str, Any]:
    """Return what mmseg and mmdet want to know of an image that fills its batch."""
    shapes = ('img_shape', 'ori_shape', 'pad_shape', 'batch_input_shape')
    return dict.fromkeys(shapes, tuple(size)) | dict(scale_factor=(1.0, 1.0))


def _listed(part: Any) -> list[Any]:
    return list(part) if isinstance(part, (list, tuple)) else [part]
