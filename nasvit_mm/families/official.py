"""Official weights: what converts a family's, and recognising whose weights a file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nasvit_mm.nn import Span

# A part of a key, and the weights that have it, to tell the user what a wrong file looks like.
LOOKS = (
    ('feature_exactor', 'an official ElasticViT checkpoint'),
    ('mobile_inverted_conv', 'an official NASViT checkpoint'),
    ('net.backbone_init_stem', 'an official ViTAS checkpoint'),
    ('patch_embeds.', 'Twins weights, of timm or its authors'),
    ('backbone.rules', 'a checkpoint of nasvit_mm itself (load it directly)'),
    ('backbone.stem', 'a checkpoint of nasvit_mm itself (load it directly)'),
    ('backbone.', 'an OpenMMLab checkpoint of another model'),
    ('cls_token', 'a plain vision transformer'),
)


@dataclass(frozen=True)
class Converter:
    """Turns a family's official weights into ours.

    Args:
        rename: ``rename(weights, space)`` returns the official tensors under our names.  For a
            subnet that the authors' code extracted, ``space`` has a single architecture.
        fit: ``fit(key, tensor, shape, space)`` returns a copy of the part of an official tensor
            that our supernet of ``space`` holds.
        is_extracted: ``is_extracted(weights)`` returns whether the authors' code extracted them.
        options: ``options(weights)`` returns the backbone's keyword arguments for these weights.
    """

    rename: Callable[[Mapping[str, Any], Any], dict[str, Any]]
    fit: Callable[[str, Any, Sequence[int], Any], Any]
    is_extracted: Callable[[Mapping[str, Any]], bool]
    options: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda weights: {}


def check_keys(weights: Mapping[str, Any], family: str, needed: Sequence[str]) -> None:
    """Check that weights are a family's official ones.

    Args:
        needed: beginnings of keys, each of which some key must have.

    Raises:
        ValueError: the weights are others; the message says what they look like and what was
            expected.
    """
    missing = [n for n in needed if not any(k.startswith(n) for k in weights)]
    if not missing:
        return
    looks = next((what for part, what in LOOKS if any(part in k for k in weights)), None)
    raise ValueError(
        f'not an official {family} checkpoint: '
        + (f'it looks like {looks}' if looks else 'it is of no known kind')
        + f', with {len(weights)} tensors, the first: {list(weights)[:3]}; expected keys that '
        + f'begin with {", ".join(missing)}'
    )


def held_spans(key: str, official: Sequence[int], held: Sequence[int]) -> list[Span]:
    """Return the spans of an official tensor that a supernet holds, one an axis.

    They are the leading entries, and of the kernel of a depthwise convolution those in its centre.

    Args:
        key: our name of the tensor.
        official: its shape.
        held: shape of the part that the supernet holds.

    Raises:
        ValueError: the official tensor is too small.
    """
    if len(official) != len(held) or any(n < m for n, m in zip(official, held)):
        raise ValueError(
            f'official tensor for {key} has the shape {tuple(official)}, expected '
            f'at least {tuple(held)}'
        )
    centred = '.depthwise.' in key
    return [
        Span.centre(m, n) if centred and axis >= 2 else Span(0, m, n)
        for axis, (m, n) in enumerate(zip(held, official))
    ]
