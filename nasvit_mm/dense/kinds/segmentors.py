"""mmseg's segmentors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from torch import Tensor, nn

from nasvit_mm.dense.kinds.answers import Answers, answers_of
from nasvit_mm.dense.kinds.base import Forward, ModelKind, image_meta
from nasvit_mm.dense.kinds.drawing import Draw, Drawing, segments
from nasvit_mm.registry import KINDS

# Parts of decode heads, by the names of their classes, that only the loss asks.
AUXILIARY = {
    'DDRHead': ('aux_head', 'aux_cls_seg'),
    'PIDHead': ('p_head', 'p_cls_seg', 'd_head', 'd_cls_seg'),
}


class _Metas(Sequence):
    """One record for every image of a batch, whose size is asked for only by who needs it: in an
    exported graph it stays free.
    """

    def __init__(self, meta: dict[str, Any], images: Tensor) -> None:
        self.meta, self.images = meta, images

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.meta

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter([self.meta] * len(self))


@KINDS.register_module()
class Segmentor(ModelKind):
    """Whatever has mmseg's ``encode_decode`` (FCN, OCRNet, Mask2Former)."""

    predicts = 'label map'
    parts = ('decode_head',)
    takes = ('decode_head', 'auxiliary_head')
    class_heads = ('decode_head',)
    writes = ('label maps', 'pred')
    any_scale = True

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        return hasattr(model, 'encode_decode')

    def answers(self, model: nn.Module) -> Answers | None:
        """See :func:`answers_of`."""
        return answers_of(model)

    def score(self, model: nn.Module, data: Mapping[str, Any]) -> Tensor:
        """Return minus the loss without those of auxiliary heads."""
        losses = model(**data, mode='loss')
        loss, _ = model.parse_losses({k: v for k, v in losses.items() if not k.startswith('aux')})
        return -loss

    def clean(self, model: nn.Module, data: Any) -> Mapping[str, Any]:
        return model.data_preprocessor(data, True)  # which pads images to one size

    def training_parts(self, model: nn.Module) -> frozenset[str]:
        """See the base; some decode heads have auxiliary ones in themselves."""
        heads = getattr(model, 'decode_head', None)
        found = set(self.trains_only)
        for kind in type(heads).__mro__:
            found |= {f'decode_head.{part}' for part in AUXILIARY.get(kind.__name__, ())}
        return frozenset(found)

    def prediction_fn(self, model: nn.Module, size: tuple[int, int]) -> Forward:
        """See the base; the logits are (N, classes, H, W)."""
        meta = image_meta(size)
        return lambda model, images: model.encode_decode(images, _Metas(meta, images))

    def counted_with(self, model: nn.Module) -> dict[str, int]:
        """Return the number of queries of MaskFormer's and Mask2Former's heads."""
        queries = getattr(model.decode_head, 'num_queries', None)
        return {} if queries is None else dict(queries=queries)

    @classmethod
    def write_results(cls, evaluator: dict[str, Any], folder: str) -> None:
        """Have the metric write label maps."""
        evaluator['output_dir'], evaluator['keep_results'] = folder, True

    @classmethod
    def drawer(cls, cfg: Config, weights: str, how: Drawing) -> Draw:
        """See the base."""
        return segments(cfg, weights, how)
