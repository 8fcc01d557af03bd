"""Necks and heads of several widths: OpenMMLab's own parts, run with slices of their weights.

A part has its weights at its largest width.  At a smaller one the part that OpenMMLab builds for
that width runs in its place, with slices of these weights: there is no second description of what
it computes, and what is exported is an ordinary part.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, NamedTuple

import torch
from mmengine.model import revert_sync_batchnorm
from torch import nn
from torch.func import functional_call

from nasvit_mm.checkpoints import fill
from nasvit_mm.errors import UsageError, first_line
from nasvit_mm.nn import AxisSpan, Span, joined, take
from nasvit_mm.spaces import HEAD, OUTPUTS, TAPS

Spans = tuple[AxisSpan, ...]


class Form(NamedTuple):
    """What makes a part elastic.  All of its weights but those in `joined` use their first entries.

    Attributes:
        width: option with the number of channels inside; None: the part has no choice of it.
        joined: weights whose second axis is several maps of so many channels, one after the other;
            of each map the first ones are used.
        branches: list of modules with one for every map that the part takes, of which it may take
            the last ones alone; None: it takes all.
    """

    width: str | None = None
    joined: tuple[str, ...] = ()
    branches: str | None = None


FORMS = {  # by the name of the class
    'FPN': Form(),
    'FPNHead': Form('channels', branches='scale_heads'),
    'RTMDetSepBNHead': Form('feat_channels'),
    'RetinaHead': Form('feat_channels'),
    'SegformerHead': Form('channels', ('fusion_conv.conv.weight',), 'convs'),
}
OF_MAPS = ('in_channels', 'in_index', 'feature_strides')  # options with one entry for every map


class ElasticPart:
    """Run a neck or head at the widths of the architecture that is active in a backbone.

    A mixin of a stock class, see :func:`elastic_type`; its options are those of the largest width.
    """

    stock: ClassVar[type[nn.Module]]
    form: ClassVar[Form]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._given = options
        self._own: dict[str, int] = {}
        self._leader: list[nn.Module] = []  # in a list: it is no child of this part
        self._others: dict[tuple, tuple[nn.Module, dict[str, Spans]]] = {}

    def follow(self, backbone: nn.Module, genes: tuple[str, ...]) -> None:
        """Obey genes of the task, of the architecture that is active in a backbone: ``taps`` is the
        width of the maps that this part takes, ``head`` its own, ``outputs`` how many it takes.

        Raises:
            UsageError: the stock part cannot be built for a choice of one of them.
        """
        self._leader = [backbone]
        largest = backbone.space.largest
        self._own = {gene: largest[gene] for gene in genes}
        for gene in genes:
            for value in backbone.space.field(gene).choices[0]:
                self._try(gene, value)

    def _try(self, gene: str, value: int) -> None:
        try:
            with torch.device('meta'):
                self._built(self._own | {gene: value})
        except Exception as error:  # of OpenMMLab's code
            raise UsageError(
                f'{gene} = {value} in space.task: {self.stock.__name__} cannot be built with it '
                f'({first_line(error)}); leave it out of the choices'
            ) from error

    def options(self, task: Mapping[str, int]) -> dict[str, Any]:
        """Return the stock part's options for genes of the task."""
        out = copy.deepcopy(self._given)
        if TAPS in task:
            taken = out['in_channels']
            listed = isinstance(taken, (list, tuple))
            out['in_channels'] = [task[TAPS]] * len(taken) if listed else task[TAPS]
        if HEAD in task:
            out[self.form.width] = task[HEAD]
        if OUTPUTS in task:
            last_maps(out, task[OUTPUTS])
        return out

    def forward(self, *args: Any) -> Any:
        """Run the part as the stock one does, with the weights that the architecture takes."""
        task = self._task(self._leader[0].arch)
        if task == self._own:
            return super().forward(*args)
        part, spans = self._other(task)
        self._hand_on_modes(part, task)
        mine = self._weights()
        weights = {key: take(mine[self._named(key, task)], *spans[key]) for key in spans}
        return functional_call(part, weights, args)

    def extracted(self, arch: Any) -> nn.Module:
        """Return the stock part of an architecture with its slices of the weights."""
        task = self._task(self._leader[0].space.arch(arch))
        part, spans = self._built(task), self._other(task)[1]
        mine = self._weights()
        # A weight that several modules share has one name of several.
        part.load_state_dict(
            {key: take(mine[self._named(key, task)], *spans[key]).detach() for key in spans},
            strict=False,
        )
        weight = next(self.parameters())
        part.to(device=weight.device, dtype=weight.dtype)
        self._hand_on_modes(part, task)
        return part

    def lay_in(
        self, state: Mapping[str, torch.Tensor], arch: Any, share: float
    ) -> tuple[set[str], set[str]]:
        """Write the weights of the stock part of an architecture here: :meth:`extracted`, the other
        way round.

        Args:
            state: its weights; those of another shape stay out.
            share: what weights that read channels beyond its own are multiplied by.

        Returns:
            The keys of the state that were written, and those of the stock part that were not.
        """
        task = self._task(self._leader[0].space.arch(arch))
        part, spans = self._other(task)
        wanted, mine = part.state_dict(), self._weights()
        fits = {k for k, v in wanted.items() if k in state and state[k].shape == v.shape}
        # A weight that several modules share has one name of several in the spans.
        for key in spans.keys() & fits:
            name = self._named(key, task)
            layer = self.get_submodule(name.rpartition('.')[0])
            fill(mine[name], state[key], spans[key], layer, share)
        return fits, wanted.keys() - fits

    def _task(self, arch: Any) -> dict[str, int]:
        return {gene: arch[gene] for gene in self._own}

    def _other(self, task: Mapping[str, int]) -> tuple[nn.Module, dict[str, Spans]]:
        """Return the stock part for genes of the task, without weights, and what it takes of the
        weights here.
        """
        synchronised = self._is_synchronised()
        key = *task.values(), synchronised
        if key not in self._others:
            with torch.device('meta'):
                part = self._built(task)
            mine = self._weights()
            spans = {
                name: self._spans(name, mine[self._named(name, task)], weight, task)
                for name, weight in [*part.named_parameters(), *part.named_buffers()]
            }
            self._others[key] = part, spans
        return self._others[key]

    def _weights(self) -> dict[str, torch.Tensor]:
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def _named(self, name: str, task: Mapping[str, int]) -> str:
        """Return the name here of a module or weight of the stock part."""
        left_out = len(self._given['in_channels']) - task[OUTPUTS] if OUTPUTS in task else 0
        if not left_out:
            return name
        first = rf'^({self.form.branches}\.)(\d+)'
        return re.sub(first, lambda match: f'{match[1]}{int(match[2]) + left_out}', name)

    def _hand_on_modes(self, part: nn.Module, task: Mapping[str, int]) -> None:
        """Have the modules of a stock part train, or not, as those here do."""
        for name, theirs in part.named_modules():
            ours = self.get_submodule(self._named(name, task))
            theirs.training = ours.training
            if isinstance(theirs, nn.modules.batchnorm._BatchNorm):
                theirs.momentum = ours.momentum

    def _built(self, task: Mapping[str, int]) -> nn.Module:
        part = self.stock(**self.options(task))
        return part if self._is_synchronised() else revert_sync_batchnorm(part)

    def _is_synchronised(self) -> bool:
        return any(isinstance(m, nn.SyncBatchNorm) for m in self.modules())

    def _spans(
        self, key: str, mine: torch.Tensor, theirs: torch.Tensor, task: Mapping[str, int]
    ) -> Spans:
        """Return what a stock part of other widths takes of a weight."""
        spans: list[AxisSpan] = []
        used = task.get(HEAD, self._given.get(self.form.width))
        for axis, (size, width) in enumerate(zip(mine.shape, theirs.shape)):
            if size == width:
                spans.append(None)
            elif axis == 1 and key in self.form.joined:
                each = self._given[self.form.width]  # channels of a map
                first = size - each * (width // used)  # those before are of maps left out
                spans.append(joined(*(Span(i, used, size) for i in range(first, size, each))))
            else:
                spans.append(Span.prefix(width, size))
        return tuple(spans)


def last_maps(options: Any, number: int) -> None:
    """Have the options of a part say that it takes the last maps alone."""
    for name in OF_MAPS:
        if isinstance(options.get(name), (list, tuple)):
            options[name] = options[name][-number:]


@cache
def elastic_type(stock: type[nn.Module]) -> type[nn.Module]:
    """Return the elastic class of a stock one, whose name is in :data:`FORMS`."""
    return type(
        f'Elastic{stock.__name__}',
        (ElasticPart, stock),
        dict(stock=stock, form=FORMS[stock.__name__], __doc__=ElasticPart.__doc__),
    )


def extracted_parts(model: nn.Module, arch: Any) -> dict[int, nn.Module]:
    """Return ``{id(part): stock part}`` of the elastic parts in a model, for an architecture."""
    return {id(m): m.extracted(arch) for m in model.modules() if isinstance(m, ElasticPart)}
