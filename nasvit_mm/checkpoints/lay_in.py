"""Laying a network into a supernet that contains it: extraction, the other way round.

A forward of the member records which part of every weight it takes; the member's weights are
written there, so that the supernet computes what the member computes while it is active.  What the
member does not cover starts so that larger architectures do nearly the same:

* Channels beyond the member's repeat its own, in their order around the axis, so that norms see
  the same statistics.  Weights that read such channels are the repeated ones times ``share``.
* The rim of a larger kernel is zero.
* A deeper block repeats the nearest one of its stage, and ends in zero: it starts as the identity.
* Alternatives that share no weights (queries and keys of another head number, the stem of another
  patch size) imitate the member's.
* A 1x1 shortcut that the member does not need passes the channels on.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from nasvit_mm.checkpoints.extract import Elastic, used_spans
from nasvit_mm.nn import AxisSpan, ElasticChoice, MBConv, Span, put, tiling
from nasvit_mm.spaces import Arch

Spans = tuple[AxisSpan, ...]


@torch.no_grad()
def lay_in(
    supernet: Elastic,
    state: Mapping[str, torch.Tensor],
    arch: Arch,
    phase: int = 0,
    share: float | None = None,
) -> None:
    """Write a member's weights into a supernet, in place.

    Args:
        supernet: a classifier or a backbone built for a space; what the member has nothing to say
            of (taps that it lacks) keeps its weights.
        state: the member's state dict, with the keys of ``supernet.rebuild(arch)``.
        arch: the member's architecture.
        phase: of the weight sharing.
        share: what weights that read channels beyond the member's are multiplied by; None: 0 where
            all widths share the first channels, so that larger ones compute the same, else 1, as
            smaller ones may read none of the member's.

    Raises:
        ArchitectureError: the space does not have the architecture.
        ValueError: a weight has another shape than the member's.
        RuntimeError: an option that was given to the supernet contradicts the member's weights.
    """
    spans = used_spans(supernet, arch, phase)
    if share is None:
        share = float(getattr(supernet, 'backbone', supernet).phases > 1)
    adopt_rules(supernet, state)
    state = {key: value for key, value in state.items() if not key.endswith('rules')}
    for name, module in supernet.named_modules():
        if isinstance(module, MBConv):
            _pass_on(name, module, state, spans)
    layers = dict(supernet.named_modules())
    tensors = dict(supernet.state_dict(keep_vars=True))
    for key in tensors.keys() & state.keys():
        layer = layers[key.rpartition('.')[0]]
        fill(tensors[key], state[key], spans.get(key, ()), layer, share)
    for name, module in supernet.named_modules():
        if isinstance(module, ElasticChoice):
            _imitate_chosen(name, module, state)
    for name, module in supernet.named_modules():
        if isinstance(module, nn.ModuleList):
            _deepen(name, module, state)


def adopt_rules(supernet: Elastic, state: Mapping[str, torch.Tensor]) -> None:
    """Take over those of a member's rules that matter to it alone, not the weight sharing.

    Raises:
        RuntimeError: one that was given to the supernet is another.
    """
    backbone = getattr(supernet, 'backbone', supernet)
    codes = next((value for key, value in state.items() if key.endswith('rules')), None)
    if codes is None:
        return
    merged = [
        theirs if rule.of_subnets else ours
        for rule, ours, theirs in zip(backbone.RULES.values(), backbone.rule_codes, codes.tolist())
    ]
    backbone.load_state_dict(dict(backbone.state_dict(), rules=torch.tensor(merged)))


def _pass_on(name: str, block: MBConv, state: dict, spans: dict[str, Spans]) -> None:
    """Add to the member's weights the shortcut that it lacks, its two widths being equal."""
    key = f'{name}.shortcut.weight'
    if block.shortcut is None or key in state or f'{name}.project.weight' not in state:
        return
    cout = spans[f'{name}.project.weight'][0]
    first = spans.get(f'{name}.expand.weight')
    cin = spans[f'{name}.depthwise.weight'][0] if first is None else first[1]
    width = state[f'{name}.project.weight'].shape[0]
    state[key], spans[key] = torch.eye(width)[:, :, None, None], (cout, cin)


@torch.no_grad()
def fill(
    tensor: torch.Tensor, value: torch.Tensor, spans: Spans, layer: nn.Module, share: float
) -> None:
    """Write a weight of the member, and what is beyond it.

    Args:
        tensor: of the supernet.
        value: the member's.
        spans: what the member takes of it.
        layer: that the weight is of.
        share: see :func:`lay_in`.
    """
    convolution = isinstance(layer, nn.modules.conv._ConvNd)
    for axis, span in enumerate(spans):
        size = tensor.shape[axis]
        if value.shape[axis] != _width(span, size):
            raise ValueError(
                f'weight of shape {tuple(value.shape)}, the member reads {_width(span, size)} on '
                f'axis {axis}'
            )
        if value.shape[axis] == size:
            continue
        if convolution and axis >= 2:  # the rim of a kernel
            wide = value.new_zeros(*value.shape[:axis], size, *value.shape[axis + 1 :])
            wide.narrow(axis, span.start, span.width).copy_(value)
            value = wide
            continue
        value = value.index_select(axis, tiling(span, size).to(value.device))
        reads = isinstance(layer, nn.Linear) or (convolution and layer.groups == 1)
        if reads and axis == 1:
            beyond = torch.full((size,), share)
            put(beyond, torch.ones(_width(span, size)), span)
            value = value * beyond.to(value).view(-1, *[1] * (value.ndim - 2))
    tensor.copy_(value)


def _width(span: AxisSpan, size: int) -> int:
    """Return how many entries of an axis are read."""
    if span is None:
        return size
    return span.width if isinstance(span, Span) else sum(part.width for part in span)


def _imitate_chosen(name: str, choice: ElasticChoice, state: Mapping) -> None:
    """Give the alternatives that the member does not use the weights of the one that it does."""
    chosen = [value for value in choice if any(k.startswith(f'{name}.{value}.') for k in state)]
    if not chosen:
        return
    for value in choice:
        if value not in chosen:
            choice.imitate(value, chosen[0])


def _deepen(name: str, blocks: nn.ModuleList, state: Mapping) -> None:
    """Make of blocks that the member lacks the identity, with the weights of a neighbour."""
    used = [i for i in range(len(blocks)) if any(k.startswith(f'{name}.{i}.') for k in state)]
    for i, block in enumerate(blocks):
        if i in used or not used or not hasattr(block, 'become_identity'):
            continue
        near = sorted(used, key=lambda j: (j > i, abs(i - j)))  # those before it first
        alike = [j for j in near if _kind(blocks[j]) == _kind(block)]
        if alike:
            block.load_state_dict(blocks[alike[0]].state_dict())
        block.become_identity()


def _kind(block: nn.Module) -> list:
    """Return what two blocks have in common whose weights can be exchanged."""
    parts = [(name, type(part)) for name, part in block.named_modules()]
    return [*parts, *((key, value.shape) for key, value in block.state_dict().items())]
