"""Dense models as plain functions of pictures, and as ONNX graphs."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nasvit_mm.dense import kind_of


class Logits(nn.Module):
    """A dense model as a plain function of normalised pictures (N, 3, H, W).

    Of a segmentor the logits (N, K, H, W); of a detector all that its heads say before boxes are
    chosen, flattened and joined, (N, M).

    Args:
        model: what :func:`nasvit_mm.dense.count_model` takes.
        input_size: (height, width) in pixels.
    """

    def __init__(self, model: nn.Module, input_size: tuple[int, int]) -> None:
        super().__init__()
        self.model = model
        self.run = kind_of(model).prediction_fn(model, tuple(input_size))

    def forward(self, pictures: Tensor) -> Tensor:
        out = self.run(self.model, pictures)
        if isinstance(out, Tensor):
            return out
        return torch.cat([t.reshape(pictures.shape[0], -1) for t in _tensors(out)], 1)


def _tensors(nested: Any) -> Iterator[Tensor]:
    if isinstance(nested, Tensor):
        yield nested
    else:
        for part in nested:
            yield from _tensors(part)


def export_onnx(model: nn.Module, input_size: tuple[int, int], path: str | Path) -> Path:
    """Write a model's `Logits` as an ONNX graph: any batch size, one height and width.

    Normalisation is not in it: the input is what the model's data preprocessor gives.

    Args:
        model: segmentor or detector of one stage, on the CPU, in evaluation mode.
        input_size: (height, width) in pixels.
        path: file to write.
    """
    pictures = torch.randn(2, 3, *input_size)
    batch = torch.export.Dim('batch', min=1, max=64)
    quiet = logging.getLogger('torch.onnx'), logging.getLogger('onnxscript')
    levels = [logger.level for logger in quiet]
    try:
        for logger in quiet:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            torch.onnx.export(
                Logits(model, input_size),
                (pictures,),
                str(path),
                dynamo=True,
                input_names=['pictures'],
                output_names=['logits'],
                dynamic_shapes=({0: batch},),
                verbose=False,
            )
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)
    return Path(path)
