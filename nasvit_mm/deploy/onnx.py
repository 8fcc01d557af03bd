"""Dense models as plain functions of images, and as ONNX graphs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nasvit_mm.backbones import image_channels
from nasvit_mm.dense import kind_of
from nasvit_mm.deploy.exporting import LARGEST_BATCH, onnx_program, quiet, reason
from nasvit_mm.errors import UsageError
from nasvit_mm.files import replacing

LARGEST = 2**31  # bytes of a graph in one file, as protobuf has it


class Logits(nn.Module):
    """A dense model as a plain function of normalised images (N, 3, H, W).

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

    def forward(self, images: Tensor) -> Tensor:
        out = self.run(self.model, images)
        if isinstance(out, Tensor):
            return out
        return torch.cat([t.reshape(images.shape[0], -1) for t in _tensors(out)], 1)


def _tensors(nested: Any) -> Iterator[Tensor]:
    if isinstance(nested, Tensor):
        yield nested
    else:
        for part in nested:
            yield from _tensors(part)


def export_onnx(
    model: nn.Module, input_size: tuple[int, int], path: str | Path, batch_size: int = 1
) -> Path:
    """Write a model's `Logits` as an ONNX graph of one file, weights included.

    Its batch is free where the model allows that, and else of one size; height and width are of one
    size.  Normalisation is not in it: the input `pictures` is what the model's data preprocessor
    gives; the output is `logits`.

    Args:
        model: segmentor or detector of one stage, on the CPU, in evaluation mode.
        input_size: (height, width) in pixels.
        path: file to write, completely or not at all.
        batch_size: of a graph that cannot have a free batch.

    Raises:
        UsageError: the model cannot be exported; says why.
    """
    logits = Logits(model, input_size)
    taken = sum(weight.nbytes for weight in logits.state_dict().values())
    if taken >= LARGEST:
        raise UsageError(
            f'not exportable: the weights take {taken / 2**30:.1f} GiB, a graph of one file holds 2'
        )
    channels = image_channels(model)
    program = _exported(logits, torch.randn(2, channels, *input_size), free=True)
    if isinstance(program, Exception):  # e.g. a loop over the images of the batch
        program = _exported(logits, torch.randn(batch_size, channels, *input_size), free=False)
    if isinstance(program, Exception):
        raise UsageError(f'not exportable: {reason(program)}') from program
    with replacing(path) as draft:
        program.save(draft, external_data=False)
    return Path(path)


def _exported(logits: nn.Module, images: Tensor, free: bool) -> Any:
    """Return torch's ONNX program of a network, or the error that there is none.

    Args:
        free: whether the batch is not of the size that these images have.
    """
    batch = torch.export.Dim('batch', min=1, max=LARGEST_BATCH)
    try:
        with quiet():
            program = onnx_program(
                logits,
                (images,),
                ({0: batch},) if free else None,
                input_names=['pictures'],
                output_names=['logits'],
            )
    except Exception as error:  # whatever the tracer meets in a model of anybody's
        return error
    if free and isinstance(program.model.graph.inputs[0].shape[0], int):
        return ValueError('the batch is of one size')
    return program
