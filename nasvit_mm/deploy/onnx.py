"""Segmentors as ONNX graphs."""
from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn


class Logits(nn.Module):
    """A segmentor as a plain function: normalised pictures (N, 3, H, W) -> logits (N, K, H, W).

    Args:
        model: mmseg segmentor.
        input_size: (height, width) in pixels.
    """

    def __init__(self, model: nn.Module, input_size: tuple[int, int]) -> None:
        super().__init__()
        self.model = model
        size = tuple(input_size)
        self.metas = [dict(img_shape=size, ori_shape=size, pad_shape=size)]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model.encode_decode(pictures, self.metas)


def export_onnx(model: nn.Module, input_size: tuple[int, int], path: str | Path) -> Path:
    """Write a segmentor's `Logits` as an ONNX graph: any batch size, one height and width.

    Normalisation is not in it: the input is what the model's data preprocessor gives.

    Args:
        model: mmseg segmentor on the CPU, in evaluation mode.
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
            torch.onnx.export(Logits(model, input_size), (pictures,), str(path), dynamo=True,
                              input_names=['pictures'], output_names=['logits'],
                              dynamic_shapes=({0: batch},), verbose=False)
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)
    return Path(path)
