"""The cost of a whole dense model: backbone, neck and head of a segmentor or a detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nasvit_mm.dense.trace import trace_parts

if TYPE_CHECKING:
    from torch import Tensor, nn

# What trains but does not predict, or computes nothing.
NOT_COUNTED = ('auxiliary_head', 'data_preprocessor')


@dataclass(frozen=True)
class ModelCost:
    """Cost of one prediction for one picture.

    Attributes:
        macs: part (``'backbone'``, ``'neck'`` where there is one, ``'head'``) -> multiply-adds.
        params: part -> parameters; those of auxiliary heads, which only train, are left out.
        input_size: (height, width) of the picture, in pixels.
    """

    macs: dict[str, int]
    params: dict[str, int]
    input_size: tuple[int, int]

    @property
    def total_macs(self) -> int:
        return sum(self.macs.values())

    @property
    def total_params(self) -> int:
        return sum(self.params.values())


def count_model(model: nn.Module, input_size: int | tuple[int, int]) -> ModelCost:
    """Multiply-adds and parameters of a model by part, attention counted.

    The whole prediction at one size is traced on the meta device: no memory, no weights touched.

    Args:
        model: mmseg segmentor (`EncoderDecoder` or alike), or mmdet detector of one stage, or of
            two like Faster and Mask R-CNN.  Of the latter as many regions are counted as it takes
            in a prediction at most; selecting and cutting them out counts nothing.
        input_size: side or (height, width) of the picture the network sees, in pixels.

    Raises:
        TypeError: a model whose prediction is not known how to call.
    """
    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    parts = [name for name in ('backbone', 'neck') if getattr(model, name, None) is not None]
    counted = trace_parts(model, size, parts, prediction(model, size))
    total = counted.pop('total')
    params = {name: _num_params(getattr(model, name)) for name in parts}
    outside = sum(
        _num_params(child) for name, child in model.named_children() if name in NOT_COUNTED
    )
    return ModelCost(
        macs={**counted, 'head': total - sum(counted.values())},
        params={**params, 'head': _num_params(model) - outside - sum(params.values())},
        input_size=size,
    )


def prediction(model: nn.Module, size: tuple[int, int]) -> Callable[[nn.Module, Tensor], Any]:
    """What of a dense model computes, as ``forward(model, pictures)``: no choosing of boxes.

    Args:
        model: as of :func:`count_model`.
        size: (height, width) of the pictures.

    Returns:
        A function whose output is the logits (N, K, H, W) of a segmentor, nested tensors of a
        detector.

    Raises:
        TypeError: another kind of model.
    """
    if getattr(model, 'roi_head', None) is not None:
        return _two_stages
    if getattr(model, 'bbox_head', None) is not None:
        return lambda model, pictures: model.bbox_head(model.extract_feat(pictures))
    if not hasattr(model, 'encode_decode'):
        raise TypeError(
            f'{type(model).__name__} is neither a segmentor of mmseg (it has no '
            'encode_decode) nor a detector of mmdet with bbox_head or roi_head'
        )
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size)

    def forward(model: nn.Module, picture: Tensor) -> Tensor:
        return model.encode_decode(picture, [meta])

    return forward


def _two_stages(model: nn.Module, pictures: Tensor) -> Any:
    maps, roi = model.extract_feat(pictures), model.roi_head
    out = [model.rpn_head(maps)]
    regions = {'bbox': model.test_cfg.rpn.max_per_img, 'mask': model.test_cfg.rcnn.max_per_img}
    for name, number in regions.items():
        head = getattr(roi, f'{name}_head', None)
        if head is not None:
            side = getattr(roi, f'{name}_roi_extractor').roi_layers[0].output_size
            out.append(head(maps[0].new_zeros(number * len(pictures), maps[0].shape[1], *side)))
    return out


def _num_params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
