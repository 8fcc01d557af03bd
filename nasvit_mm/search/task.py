"""The cost of backbone, neck and head at the task's input size, for thousands of candidates."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from nasvit_mm.backbones import plain_types
from nasvit_mm.cost import Cost, count, count_model
from nasvit_mm.engine import UsageError, build_model, fit_channels
from nasvit_mm.registry import MODELS
from nasvit_mm.spaces import Space, get_space
from nasvit_mm.supernet import inner_model

CHECKS = 3  # random candidates on which the formula of neck and head is compared with the trace
IDLE = 6  # random candidates, in all of which a gene must be idle
Size = tuple[int, int]


@MODELS.register_module()
class FeatureMaps(nn.Module):
    """In the place of a backbone: maps of given shapes, at no cost.

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


def standalone(cfg: Config) -> Config:
    """The config of the model that a supernet's config trains subnets of; another one as it is.

    Data, schedule and metric stay; what is the supernet's alone (loops over subnets, hook) goes,
    and what it does itself (the limit of the gradient) is the optimizer wrapper's again.
    """
    if str((cfg.get('model') or {}).get('type')).removeprefix('nasvit_mm.') != 'Supernet':
        return cfg
    cfg = copy.deepcopy(cfg)
    limit, wrapper = cfg.model.get('clip_grad'), cfg.get('optim_wrapper')
    if limit is not None and wrapper and wrapper.get('clip_grad') is None:
        wrapper.clip_grad = dict(max_norm=limit)
    cfg.model = inner_model(cfg)
    cfg.val_cfg, cfg.test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
    cfg.custom_hooks = [
        hook for hook in cfg.get('custom_hooks', ()) if hook.type != 'nasvit_mm.SupernetState'
    ]
    saving = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if '/' in str(saving.get('save_best')):  # SUBNET/METRIC
        saving.save_best = saving.save_best.partition('/')[2]
    return cfg


class DenseTask:
    """A dense model whose backbone is searched: what any candidate would cost in it.

    Neck and head are built from the task's own config for the widths that a candidate gives them,
    and traced.  They are linear in each width, so a few traces give a formula, which is compared
    with the trace of other candidates.

    Args:
        cfg: a config with ``model``, whose backbone is one of this project's; or one that trains
            a supernet of such a model.
        space: what is searched; one that the backbone serves.

    Raises:
        UsageError: another backbone, a space of another family, a neck or head whose cost is not
            linear.
    """

    def __init__(self, cfg: Config, space: Space) -> None:
        self.cfg, self.space = copy.deepcopy(standalone(cfg)), space
        backbone = (self.cfg.get('model') or {}).get('backbone') or {}
        kind = MODELS.get(str(backbone.get('type')).removeprefix('nasvit_mm.'))
        if space.name not in getattr(kind, 'spaces', ()):
            raise UsageError(
                f'the backbone of the task is {backbone.get("type")!r}, which does '
                f'not serve the space {space.name!r}'
            )
        init = backbone.get('init_cfg')
        if isinstance(init, Mapping) and init.get('type') == 'Pretrained':  # of one architecture
            self.cfg.model.backbone.pop('init_cfg')
        self._maps: dict[tuple[Size, int], list[Size]] = {}
        self._formulas: dict[tuple[Size, int], tuple[_Formula, _Formula]] = {}

    def config(self, arch: Any) -> Config:
        """The task's config with a candidate for its backbone."""
        cfg, arch = copy.deepcopy(self.cfg), self.space.arch(arch)
        space = self.space.to_dict()  # restricted, it may allow what the whole one does not
        cfg.model.backbone.update(
            arch=arch.to_dict(), space=space if 'restrict' in space else self.space.name
        )
        fit_channels(cfg, self.net.channels_of(arch))
        return cfg

    # ------------------------------------------------------------------ the backbone
    @cached_property
    def net(self) -> nn.Module:
        """The backbone of the whole space, without weights."""
        options = dict(
            plain_types(self.cfg.model.backbone), arch='supernet', space=self.space, init_cfg=None
        )
        with torch.device('meta'):
            return MODELS.build(options).eval()

    def idle(self, size: Size) -> frozenset[str]:
        """Labels of genes of the whole space that are no part of the backbone: the resolution, and
        what changes a cost of the classifier, but none of the backbone.  (The number of heads may
        change neither, and is a part of both.)
        """
        space, found = get_space(self.space.name), {'resolution'}
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
        """Of the backbone alone, for a gene matrix (n, num_genes)."""
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
            stage_norm=getattr(net, 'stage_norm', False),
        )

    @cached_property
    def _widths(self) -> list[tuple[int, np.ndarray]]:
        """Per output the gene that is its width, and the width for each of its choices."""
        space = self.space
        archs = [space.smallest, space.largest, *space.from_genes(space.uniform_genes(0, 64))]
        genes = space.genes(archs)
        seen = np.array([self.net.channels_of(a) for a in archs])
        values = np.array([[c[i] for c, i in zip(space.choices, row)] for row in genes])
        out = []
        for i, widths in enumerate(seen.T):
            same = np.flatnonzero((values == widths[:, None]).all(0))
            if (widths == widths[0]).all():  # a tap, or nothing to choose
                out.append((0, np.full(len(space.choices[0]), widths[0])))
            elif len(same):
                out.append((int(same[-1]), np.array(space.choices[same[-1]])))
            else:
                raise NotImplementedError(f'no gene is the width of output {i}')
        return out

    def channels(self, genes: np.ndarray) -> np.ndarray:
        """Widths of the backbone's outputs, (n, outputs)."""
        return np.stack([table[genes[:, gene]] for gene, table in self._widths], 1)

    # ------------------------------------------------------------------ neck and head
    def head(self, genes: np.ndarray, size: Size) -> Cost:
        """Of neck and head; the breakdown has ``head`` and what each output adds, ``head[i]``."""
        widths, which = self.channels(genes), self._patch(genes)
        macs, params = {}, {}
        for patch in np.unique(which):
            rows = which == patch
            for formula, parts in zip(self._formula(size, int(patch)), (macs, params)):
                for name, values in formula.parts(widths[rows]).items():
                    parts.setdefault(name, np.zeros(len(genes), np.int64))[rows] = values
        none = np.zeros(len(genes), np.int64)
        return Cost(sum(macs.values(), none), sum(params.values(), none), macs, params, size)

    def total(self, genes: np.ndarray, size: Size) -> Cost:
        """Of the whole model."""
        a, b = self.backbone(genes, size), self.head(genes, size)
        return Cost(
            a.macs + b.macs,
            a.params + b.params,
            {**a.breakdown, **b.breakdown},
            {**a.breakdown_params, **b.breakdown_params},
            size,
        )

    def _patch(self, genes: np.ndarray) -> np.ndarray:
        """Choice of the patch size, by which the grids of all outputs go; 0 where there is none."""
        if 'patch_size' not in {f.name for f in self.space.fields}:
            return np.zeros(len(genes), np.int64)
        return genes[:, self.space.first_gene('patch_size')]

    def _formula(self, size: Size, patch: int) -> tuple[_Formula, _Formula]:
        """Of multiply-adds and of parameters."""
        if (size, patch) not in self._formulas:
            self._formulas[size, patch] = self._fitted(size, patch)
        return self._formulas[size, patch]

    def _fitted(self, size: Size, patch: int) -> tuple[_Formula, _Formula]:
        lows, highs = ([int(end(table)) for _, table in self._widths] for end in (np.min, np.max))
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
        for widths in self.channels(self.space.uniform_genes(0, CHECKS)):
            traced = self._traced(widths, size, patch)
            ours = tuple(int(sum(f.parts(widths[None]).values())[0]) for f in out)
            if ours != traced:
                raise UsageError(
                    'neck and head of the task are not linear in the widths that they '
                    f'take (at {widths.tolist()} {traced[0]} multiply-adds, '
                    f'{ours[0]} by the formula): give the backbone out_width, so that '
                    'they are the same for every candidate'
                )
        return out

    def _traced(self, widths: Sequence[int], size: Size, patch: int) -> tuple[int, int]:
        """(multiply-adds, parameters) of neck and head for outputs of these widths."""
        cfg = copy.deepcopy(self.cfg)
        shapes = [(int(w), *hw) for w, hw in zip(widths, self._sizes(size, patch))]
        cfg.model.backbone = dict(type='nasvit_mm.FeatureMaps', shapes=shapes)
        fit_channels(cfg, widths)
        cost = count_model(build_model(cfg), size)
        return cost.total_macs, cost.total_params

    def _sizes(self, size: Size, patch: int) -> list[Size]:
        """(height, width) of every output."""
        if (size, patch) not in self._maps:
            arch, net = self.space.smallest, self.net
            if 'patch_size' in arch.to_dict():
                arch = arch.replace(patch_size=self.space.field('patch_size').choices[0][patch])
            net.set_arch(arch)
            with torch.no_grad():
                maps = net(torch.empty(1, 3, *size, device='meta'))
            self._maps[size, patch] = [tuple(m.shape[2:]) for m in maps]
        return self._maps[size, patch]
