"""The cost of backbone, neck and head at the model's input size, for thousands of candidates."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from nasvit_mm.building import building
from nasvit_mm.config import plain_types, type_name
from nasvit_mm.cost import Cost, count
from nasvit_mm.dense.build import build_model
from nasvit_mm.dense.channels import fit_channels
from nasvit_mm.dense.config import standalone
from nasvit_mm.dense.cost import count_model
from nasvit_mm.dense.task_genes import check_task, own_task, set_task
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import MODELS, registered
from nasvit_mm.spaces import PATCH, RESOLUTION, Space, get_space
from nasvit_mm.spaces.geometry import scaled

PROBES = 64  # random candidates that, beside all choices, tell how wide the outputs can be
IDLE = 6  # random candidates, in all of which a gene must be idle
Size = tuple[int, int]


@MODELS.register_module()
class FeatureMaps(nn.Module):
    """Stand in the place of a backbone: maps of given shapes, at no cost.

    Args:
        shapes: (channels, height, width) of every output.
    """

    def __init__(self, shapes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.shapes = [tuple(shape) for shape in shapes]
        self.out_channels = [shape[0] for shape in self.shapes]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(x.new_zeros(len(x), *shape) for shape in self.shapes)


class _Formula(NamedTuple):
    """Cost of neck and head: ``fixed`` and for every channel of each output ``slopes``."""

    fixed: int
    slopes: tuple[int, ...]

    def parts(self, widths: np.ndarray) -> dict[str, np.ndarray]:
        """Widths (n, outputs) -> part -> (n,)."""
        out = {'head': np.full(len(widths), self.fixed)}
        return out | {f'head[{i}]': widths[:, i] * s for i, s in enumerate(self.slopes)}


class SearchedModel:
    """A dense model whose backbone is searched: what any candidate would cost in it.

    Neck and head are built from the model's own config for the widths that a candidate gives them,
    and traced.  They are linear in each width, so a few traces give a formula, which is compared
    with the trace of every width that an output can have.

    Args:
        cfg: a config with ``model``, whose backbone is one of this project's; or one that trains
            a supernet of such a model.
        space: what is searched; one that the backbone serves, with genes of the task or without.

    Raises:
        UsageError: another backbone, a space of another family, genes of the task that the model
            cannot have, a neck or head whose cost is not linear.
    """

    def __init__(self, cfg: Config, space: Space) -> None:
        self.cfg, self.space = copy.deepcopy(standalone(cfg)), space
        backbone = (self.cfg.get('model') or {}).get('backbone') or {}
        kind = registered(MODELS, type_name(backbone))
        if space.name not in getattr(kind, 'spaces', ()):
            raise UsageError(
                f'the backbone of the task is {backbone.get("type")!r}, which does '
                f'not serve the space {space.name!r}'
            )
        init = backbone.get('init_cfg')
        if isinstance(init, Mapping) and init.get('type') == 'Pretrained':  # of one architecture
            self.cfg.model.backbone.pop('init_cfg')
        self._maps: dict[tuple[Size, int], list[Size]] = {}  # by the size the backbone computes at
        self._formulas: dict[tuple[Size, int], tuple[_Formula, _Formula]] = {}
        self._chosen: dict[tuple[int, ...], SearchedModel] = {}
        if space.task:
            check_task(self.cfg.model, space, whole=False)

    def config(self, arch: Any) -> Config:
        """Return the model's config with a candidate for its backbone."""
        own, task = self.space.split(arch)
        if task:
            return self._at(*task.values()).config(own)
        cfg, arch = copy.deepcopy(self.cfg), own
        space = self.space.to_dict()  # restricted, it may allow what the whole one does not
        # Not by `update`, which merges the mappings with those that are there.
        cfg.model.backbone.arch = arch.to_dict()
        cfg.model.backbone.space = space if 'restrict' in space else self.space.name
        fit_channels(cfg, self.net.channels_of(arch), self._given)
        return cfg

    # ------------------------------------------------------------------ the backbone
    @cached_property
    def net(self) -> nn.Module:
        """Return the backbone of the whole space, without weights; genes of the task stand as the
        config has them.
        """
        space = self.space.without_task
        options = dict(
            plain_types(self.cfg.model.backbone), arch='supernet', space=space, init_cfg=None
        )
        with building(self.cfg, 'task.'), torch.device('meta'):
            return MODELS.build(options).eval()

    @cached_property
    def _given(self) -> list[int] | None:
        """Return the widths of the config's own backbone, if its neck and heads take them; None
        where they are to be set anyway, as those of a supernet.
        """
        options = dict(plain_types(self.cfg.model.backbone), init_cfg=None)
        if self.net.taps is not None:
            widths = list(self.net.out_channels)
        elif options.get('arch') in (None, 'supernet'):
            return None
        else:
            with building(self.cfg, 'task.'), torch.device('meta'):
                widths = list(MODELS.build(options).out_channels)
        try:
            self._model(widths, [(64 >> i, 64 >> i) for i in range(len(widths))], fit=False)
        except UsageError:
            return None
        return widths

    def idle(self, size: Size) -> frozenset[str]:
        """Return the labels of genes of the whole space that are no part of the backbone.

        These are the resolution, and what changes a cost of the classifier, but none of the
        backbone.  (The number of heads may change neither, and is a part of both.)
        """
        space, resolution = get_space(self.space.name), self.space.role(RESOLUTION)
        found = set(resolution.labels if resolution else ())
        probes = space.genes(
            [space.smallest, space.largest, *space.from_genes(space.uniform_genes(0, IDLE))]
        )
        for gene, (label, choices) in enumerate(zip(space.labels, space.choices)):
            rows = np.repeat(probes, len(choices), 0)
            rows[:, gene] = np.tile(np.arange(len(choices)), len(probes))
            ours, classifier = (
                np.ptp(np.stack([cost.macs, cost.params]).reshape(2, len(probes), -1), axis=2).any()
                for cost in (self._backbone(space, rows, size), count(space, rows))
            )
            if classifier and not ours:
                found.add(label)
        return frozenset(found)

    def backbone(self, genes: np.ndarray, size: Size) -> Cost:
        """Count the backbone alone, for a gene matrix (n, num_genes)."""
        return self._backbone(self.space, genes, size)

    def _backbone(self, space: Space, genes: np.ndarray, size: Size) -> Cost:
        net = self.net
        return count(
            space,
            genes,
            size,
            part='backbone',
            out_indices=net.out_indices,
            attention=net.attention,
            out_width=self.cfg.model.backbone.get('out_width'),
            in_channels=net.in_channels,
            input_scale=net.input_scale,
            **net.cost_options,
        )

    @cached_property
    def _widths(self) -> list[np.ndarray]:
        """Return the widths that every output can have, ascending."""
        space = self.space
        ends = space.genes([space.smallest, space.largest])
        rows = [ends, space.uniform_genes(0, PROBES)]
        for gene, choices in enumerate(space.choices):
            varied = np.repeat(ends, len(choices), 0)
            varied[:, gene] = np.tile(np.arange(len(choices)), len(ends))
            rows.append(varied)
        return [np.unique(column) for column in self.channels(np.concatenate(rows)).T]

    def channels(self, genes: np.ndarray) -> np.ndarray:
        """Return the widths of the backbone's outputs, (n, outputs)."""
        net = self.net
        if net.taps is not None:
            return np.tile(net.out_channels, (len(genes), 1))
        cost = FAMILIES[self.space.name].part('cost')
        return cost.output_widths(self.space.columns(genes), net.out_indices)

    # ------------------------------------------------------------------ neck and head
    def head(self, genes: np.ndarray, size: Size) -> Cost:
        """Count neck and head; the breakdown: ``head``, and what output i adds, ``head[i]``."""
        if self.space.task:
            return self._head_by_task(genes, size)
        widths, which = self.channels(genes), self._patch(genes)
        macs, params = {}, {}
        for patch in np.unique(which):
            rows = which == patch
            for formula, parts in zip(self._formula(size, int(patch)), (macs, params)):
                for name, values in formula.parts(widths[rows]).items():
                    parts.setdefault(name, np.zeros(len(genes), np.int64))[rows] = values
        return _sum(macs, params, len(genes), size)

    # ------------------------------------------------------------------ genes of the task
    def _at(self, *task: int) -> SearchedModel:
        """Return the model with genes of the task at these values, the backbone being searched."""
        if task not in self._chosen:
            cfg = copy.deepcopy(self.cfg)
            set_task(cfg.model, {f.name: value for f, value in zip(self.space.task, task)})
            self._chosen[task] = SearchedModel(cfg, self.space.without_task)
            self._chosen[task]._maps = self._maps
        return self._chosen[task]

    @property
    def own_task(self) -> dict[str, int]:
        """Return the model's own values of the space's genes of the task."""
        return own_task(self.cfg.model, self.space)

    def _head_by_task(self, genes: np.ndarray, size: Size) -> Cost:
        """Count neck and head of candidates whose genes of the task differ."""
        columns = self.space.columns(genes)
        values = np.stack([columns[field.name] for field in self.space.task], 1)
        own = genes[:, : -len(self.space.task)]
        macs, params = {}, {}
        for task in np.unique(values, axis=0):
            rows = (values == task).all(1)
            cost = self._at(*task.tolist()).head(own[rows], size)
            for found, parts in ((cost.breakdown, macs), (cost.breakdown_params, params)):
                for name, counted in found.items():
                    parts.setdefault(name, np.zeros(len(genes), np.int64))[rows] = counted
        return _sum(macs, params, len(genes), size)

    def total(self, genes: np.ndarray, size: Size) -> Cost:
        """Count the whole model."""
        a, b = self.backbone(genes, size), self.head(genes, size)
        return Cost(
            a.macs + b.macs,
            a.params + b.params,
            {**a.breakdown, **b.breakdown},
            {**a.breakdown_params, **b.breakdown_params},
            size,
        )

    def _patch(self, genes: np.ndarray) -> np.ndarray:
        """Return the choice of the patch size, by which all grids go; 0 where there is none."""
        patch = self.space.role(PATCH)
        return genes[:, self.space.first_gene(patch.name)] if patch else np.zeros(len(genes), int)

    @cached_property
    def _covering(self) -> np.ndarray:
        """Return a few outputs among which each has each of its widths, (n, outputs).

        The widths of one meet those of another in no order, so that a cost in which two of them
        are multiplied shows too.
        """
        rng, most = np.random.default_rng(0), max(map(len, self._widths))
        rows = [np.resize(rng.permutation(widths), most) for widths in self._widths]
        return np.stack(rows, 1)[: most if most > 1 else 0]

    def _formula(self, size: Size, patch: int) -> tuple[_Formula, _Formula]:
        """Return the formulas of MACs and of parameters."""
        if (size, patch) not in self._formulas:
            self._formulas[size, patch] = self._fitted(size, patch)
        return self._formulas[size, patch]

    def _fitted(self, size: Size, patch: int) -> tuple[_Formula, _Formula]:
        lows, highs = ([int(widths[end]) for widths in self._widths] for end in (0, -1))
        base, slopes = np.array(self._traced(lows, size, patch)), []
        for i, (low, high) in enumerate(zip(lows, highs)):
            moved = (
                base
                if high == low
                else np.array(self._traced([*lows[:i], high, *lows[i + 1 :]], size, patch))
            )
            slopes.append((moved - base) // max(1, high - low))
        fixed = base - (np.array(lows)[:, None] * slopes).sum(0)
        out = tuple(
            _Formula(int(f), tuple(int(s[kind]) for s in slopes)) for kind, f in enumerate(fixed)
        )
        for widths in self._covering:
            traced = self._traced(widths, size, patch)
            ours = tuple(int(sum(f.parts(widths[None]).values())[0]) for f in out)
            for what, real, formula in zip(('MACs', 'parameters'), traced, ours):
                if real != formula:
                    raise UsageError(
                        'neck and head of the task are not linear in the widths that they '
                        f'take (at {widths.tolist()} {real} {what}, {formula} by the formula): '
                        'give the backbone out_width, so that they are the same for every '
                        'candidate'
                    )
        return out

    def _traced(self, widths: Sequence[int], size: Size, patch: int) -> tuple[int, int]:
        """Trace (MACs, parameters) of neck and head for outputs of these widths."""
        cost = count_model(self._model(widths, self._sizes(size, patch)), size)
        return cost.total_macs, cost.total_params

    def _model(self, widths: Sequence[int], sizes: Sequence[Size], fit: bool = True) -> nn.Module:
        """Build neck and head behind outputs of these widths and sizes (height, width)."""
        cfg = copy.deepcopy(self.cfg)
        shapes = [(int(w), *hw) for w, hw in zip(widths, sizes)]
        cfg.model.backbone = dict(type='nasvit_mm.FeatureMaps', shapes=shapes)
        if fit:
            fit_channels(cfg, widths, self._given)
        return build_model(cfg)

    def _sizes(self, size: Size, patch: int) -> list[Size]:
        """Return (height, width) of every output."""
        at = tuple(scaled(side, self.net.input_scale) for side in size)
        if (at, patch) not in self._maps:
            arch, net = self.space.smallest, self.net
            field = self.space.role(PATCH)
            if field is not None:
                arch = arch.replace(**{field.name: field.choices[0][patch]})
            net.set_arch(arch)
            with torch.no_grad():
                maps = net(torch.empty(1, net.in_channels, *size, device='meta'))
            self._maps[at, patch] = [tuple(m.shape[2:]) for m in maps]
        return self._maps[at, patch]


def _sum(macs: dict[str, np.ndarray], params: dict[str, np.ndarray], n: int, size: Size) -> Cost:
    """Return the cost of ``n`` candidates out of its parts, each (n,)."""
    none = np.zeros(n, np.int64)
    return Cost(sum(macs.values(), none), sum(params.values(), none), macs, params, size)


def searched_model(cfg: Config) -> SearchedModel:
    """Return the dense model of a config as a searched one: a supernet's with the space of the
    supernet, one of a single architecture with the whole space that the architecture is of.

    Raises:
        UsageError: the model has no backbone of this project.
    """
    cfg = standalone(cfg)
    backbone = plain_types((cfg.get('model') or {}).get('backbone') or {})
    kind = registered(MODELS, type_name(backbone))
    if not hasattr(kind, 'read_space'):
        raise UsageError(
            f'the backbone of the config is {backbone.get("type")!r}, none of this project'
        )
    space = kind.read_space(backbone.get('arch'), backbone.get('space'))
    if not space.is_single:
        return SearchedModel(cfg, space)
    if space.task:
        check_task(cfg.model, space)
        cfg = copy.deepcopy(cfg)
        set_task(cfg.model, space.split(space.largest)[1])
    return SearchedModel(cfg, get_space(space.name))
