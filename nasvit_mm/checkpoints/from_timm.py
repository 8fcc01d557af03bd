"""Weights by timm's names, downloaded and cached by timm's own code."""

from __future__ import annotations

import timm
import torch

from nasvit_mm.errors import UsageError, closest, first_line

SCHEME = 'timm://'


def timm_weights(address: str) -> dict[str, torch.Tensor]:
    """Return the state dict behind ``timm://NAME.TAG``, ``timm://twins_svt_small.in1k``.

    timm looks in the cache of the Hugging Face hub first (``HF_HOME``), then downloads.

    Raises:
        UsageError: timm has no weights of that name, or cannot get them.
    """
    name = address.removeprefix(SCHEME)
    if not timm.is_model_pretrained(name):
        raise UsageError(
            f'{address}: timm has no weights of that name'
            f'{closest(name, timm.list_pretrained())}; timm.list_pretrained() has the names'
        )
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # the hub's many, those of the network, and of a damaged file
        raise UsageError(
            f'timm could not get {address}: {type(error).__name__}: {first_line(error)}; where '
            f'there is no network, fetch model.safetensors of https://huggingface.co/timm/{name} '
            'elsewhere, and give that file instead'
        ) from error
