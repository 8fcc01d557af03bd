"""Converting official checkpoints: the part that all families share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nasvit_mm.backbones import create_model
from nasvit_mm.checkpoints.extract import extract_state
from nasvit_mm.checkpoints.reading import weights_in
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces import Space, get_space

EMAS = ('model_ema', 'state_dict_ema', 'ema_state_dict')  # averaged weights, by who wrote them
WRAPPERS = ('module.', '_orig_mod.', 'model.')


def convert_official(
    space_name: str | Space, state_dict: Mapping[str, Any], arch: Any = None, phase: int = 0
) -> dict[str, torch.Tensor]:
    """Return the weights of an official checkpoint under this project's names.

    Args:
        space_name: the checkpoint's space; for a restricted space only the weights it needs are
            kept.
        state_dict: an official checkpoint as loaded (its EMA weights are used, as the authors'
            loader does), or the bare state dict; prefixes of wrappers are removed.
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
    """Return a checkpoint's tensors: its EMA if it has one, else its model, else its content.

    What wrappers put before all keys (DataParallel, ``torch.compile``, a model in a model) goes.

    Raises:
        UsageError: weights that are no numbers; names the first.
    """
    weights = {k: v for k, v in weights_in(content, *EMAS).items() if torch.is_tensor(v)}
    while before := next((p for p in WRAPPERS if weights and _all_begin(weights, p)), None):
        weights = {k.removeprefix(before): v for k, v in weights.items()}
    weights = {k.removeprefix('module.'): v for k, v in weights.items()}
    broken = [k for k, v in weights.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise UsageError(
            f'{len(broken)} of {len(weights)} tensors of the checkpoint hold NaN or infinite '
            f'values, the first: {", ".join(broken[:3])}; the training that wrote it diverged, or '
            'the file is damaged'
        )
    return weights


def _all_begin(weights: Mapping[str, Any], prefix: str) -> bool:
    return all(key.startswith(prefix) for key in weights)
