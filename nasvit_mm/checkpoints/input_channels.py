"""Weights of networks for RGB images in networks for images of other channels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from timm.models import adapt_input_conv
from torch import nn

from nasvit_mm.errors import UsageError

RGB = 3


def adapt_input(
    module: nn.Module, state: Mapping[str, torch.Tensor], source: str
) -> dict[str, torch.Tensor]:
    """Return weights whose input layers take as many channels as a module's images have.

    As in timm, the weights of red, green and blue are repeated and scaled by 3 / channels, or
    summed for one channel.

    Args:
        module: a backbone or a classifier.
        state: weights of it, or of a supernet of its space, under its names.
        source: where they are from, for messages.

    Raises:
        UsageError: they are of neither RGB images nor as many channels.
    """
    backbone = getattr(module, 'backbone', module)
    before = '' if backbone is module else 'backbone.'
    channels, out = backbone.in_channels, dict(state)
    for layer in backbone.input_layers:
        key = f'{before}{layer}.weight'
        given = state.get(key)
        if not torch.is_tensor(given) or given.ndim != 4 or given.shape[1] == channels:
            continue
        if given.shape[1] == RGB:
            out[key] = adapt_input_conv(channels, given)
        else:
            raise UsageError(
                f'{source} is of a network for images of {given.shape[1]} channels, the model '
                f'takes {channels}: only weights of {RGB} channels are adapted; give the model '
                f'in_channels={given.shape[1]}, or take other weights'
            )
    return out
