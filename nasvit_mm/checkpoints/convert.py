"""Converting official checkpoints: the part that all families share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nasvit_mm.backbones import create_model
from nasvit_mm.checkpoints.extract import extract_state
from nasvit_mm.checkpoints.reading import weights_in
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces import Space, get_space


def convert_official(
    space_name: str | Space, state_dict: Mapping[str, Any], arch: Any = None, phase: int = 0
) -> dict[str, torch.Tensor]:
    """Return the weights of an official checkpoint under this project's names.

    Args:
        space_name: the checkpoint's space; for a restricted space only the weights it needs are
            kept.
        state_dict: an official checkpoint as loaded (its EMA weights are used, as the authors'
            loader does), or the bare state dict; a ``module.`` prefix is removed.
        arch: None for the supernet, else the architecture whose subnet is sliced out.  A subnet
            extracted by the authors' code is accepted too, together with its architecture.
        phase: phase of the weight sharing, for slicing a subnet out of a supernet.

    Returns:
        A state dict that ``create_model(space, arch, num_classes)`` loads strictly, where
        ``num_classes`` is the checkpoint's.

    Raises:
        ValueError: the weights belong to another family; the message says what they look like
            and what was expected.
    """
    space = get_space(space_name)
    arch = None if arch is None else space.arch(arch)
    converter = FAMILIES[space.name].part('converter')
    weights = bare_weights(state_dict)
    if arch is not None and converter.is_extracted(weights):
        # The authors' code has already extracted this subnet: it is the supernet of one choice.
        space, arch = space.only(arch), None
    official, weights = weights, converter.rename(weights, space)
    options = converter.options(official)
    with torch.device('meta'):
        supernet = create_model(space, num_classes=len(weights['head.classifier.bias']), **options)
    expected = supernet.state_dict()
    for key in [k for k in expected if k.endswith('backbone.rules')]:
        weights[key] = torch.tensor(supernet.backbone.rule_codes)
    missing = [k for k in expected if k not in weights]
    if missing:
        raise ValueError(
            f'official {space.name} checkpoint lacks {len(missing)} of the '
            f'{len(expected)} tensors of {space!r}, the first: {missing[:3]}'
        )
    state = {k: converter.fit(k, weights[k], v.shape, space) for k, v in expected.items()}
    return state if arch is None else extract_state(supernet, state, arch, phase)


def bare_weights(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return a checkpoint's tensors: its EMA if it has one, else its model, else its content."""
    weights = weights_in(content, 'model_ema')
    return {k.removeprefix('module.'): v for k, v in weights.items() if torch.is_tensor(v)}
