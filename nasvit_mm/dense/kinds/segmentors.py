"""mmseg's segmentors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from torch import Tensor, nn

from nasvit_mm.dense.kinds.base import Forward, ModelKind, StepOutput, image_meta, summed
from nasvit_mm.dense.kinds.drawing import Draw, Drawing, segments
from nasvit_mm.registry import KINDS


@KINDS.register_module()
class AnySegmentor(ModelKind):
    """Whatever has mmseg's ``encode_decode`` (OCRNet, PointRend, Mask2Former): labels only."""

    parts = ('decode_head',)
    takes = ('decode_head', 'auxiliary_head')
    class_heads = ('decode_head',)
    writes = ('label maps', 'pred')

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return hasattr(model, 'encode_decode')

    def clean(self, model: nn.Module, data: Any) -> Mapping[str, Any]:
        return model.data_preprocessor(data, True)  # which pads images to one size

    def prediction_fn(self, model: nn.Module, size: tuple[int, int]) -> Forward:
        """See the base; the logits are (N, classes, H, W)."""
        metas = [image_meta(size)]
        return lambda model, images: model.encode_decode(images, metas)

    @classmethod
    def write_results(cls, evaluator: dict[str, Any], folder: str) -> None:
        """Have the metric write label maps."""
        evaluator['output_dir'], evaluator['keep_results'] = folder, True

    @classmethod
    def drawer(cls, cfg: Config, weights: str, how: Drawing) -> Draw:
        """See the base."""
        return segments(cfg, weights, how)


@KINDS.register_module()
class Segmentor(AnySegmentor):
    """mmseg's ``EncoderDecoder`` with one decode head whose loss is the standard one.

    Its logits (N, classes, H, W) are distilled.  Auxiliary heads train with labels whatever the
    subnet learns from.
    """

    distils = True

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        if not super().fits(model):
            return False
        from mmseg.models import EncoderDecoder
        from mmseg.models.decode_heads.decode_head import BaseDecodeHead

        head = type(getattr(model, 'decode_head', None))
        return (
            # Heads of queries, kernels or several outputs have losses of their own, which want
            # more than (logits, samples).
            issubclass(head, BaseDecodeHead)
            and head.loss is BaseDecodeHead.loss
            and head.loss_by_feat is BaseDecodeHead.loss_by_feat
            and type(model).loss is EncoderDecoder.loss
            and model.decode_head.out_channels > 1  # the softmax of a single channel is 1
        )

    def forward(self, model: nn.Module, data: Mapping[str, Any]) -> StepOutput:
        maps, samples = model.extract_feat(data['inputs']), data['data_samples']
        logits = model.decode_head(maps)
        loss = summed(model.decode_head.loss_by_feat(logits, samples))
        rest = 0.0
        if model.with_auxiliary_head:
            rest = summed(model._auxiliary_head_forward_train(maps, samples))
        return StepOutput((logits,), loss + rest, rest)

    def score(self, model: nn.Module, data: Mapping[str, Any]) -> Tensor:
        """Return minus the loss of the decode head alone."""
        logits = model.decode_head(model.extract_feat(data['inputs']))
        return -summed(model.decode_head.loss_by_feat(logits, data['data_samples']))
