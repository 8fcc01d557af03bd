"""The image classifier as a kind of model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.classification.model import ImageClassifier
from nasvit_mm.config import type_name
from nasvit_mm.dense import ModelKind, StepOutput
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class Classifier(ModelKind):
    """:class:`nasvit_mm.classification.ImageClassifier`; its logits are (N, classes)."""

    distils = True
    classifies = True
    predicts = 'classes'

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return isinstance(model, ImageClassifier)

    @classmethod
    def fits_config(cls, model: Mapping[str, Any]) -> bool:
        return type_name(model) == ImageClassifier.__name__

    def forward(self, model: ImageClassifier, data: Mapping[str, Any]) -> StepOutput:
        logits = model(data['inputs'])
        return StepOutput((logits,), model.loss(logits, data['labels'], data.get('targets')))

    def score(self, model: ImageClassifier, data: Mapping[str, Any]) -> Tensor:
        return -nn.functional.cross_entropy(model(data['inputs']), data['labels'])

    def extract(self, model: ImageClassifier, arch: Any, phase: int = 0) -> ImageClassifier:
        subnet = extract_subnet(model, arch, phase)
        return copy.deepcopy(
            model, {id(model.backbone): subnet.backbone, id(model.head): subnet.head}
        )

    @classmethod
    def write_results(cls, evaluator: dict[str, Any], folder: str) -> None:
        raise UsageError(
            '--out writes label maps, or detections; a classifier has neither: leave it out, '
            'scores are in the log'
        )
