"""Groups of an optimizer's parameters: one for equal options, not one for every tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from nasvit_mm.errors import UsageError
from nasvit_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS

LISTS = ('base_values', '_last_value')  # of a scheduler's state, a value for each group


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, but parameters with equal options are one group.

    With ``paramwise_cfg`` mmengine's makes a group of every tensor, and an optimizer works on one
    group after another: some hundred times the launches of a few groups, tens of milliseconds a
    step on a GPU.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs: Any
    ) -> None:
        """Add the groups of a module to ``params``; merge them when it is the whole model."""
        super().add_params(params, module, prefix, **kwargs)
        if not prefix:
            params[:] = merged(params)


def merged(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join groups with equal options, in the order of their first members."""
    out: list[dict[str, Any]] = []
    for group in groups:
        options = {k: v for k, v in group.items() if k != 'params'}
        for other in out:
            if {k: v for k, v in other.items() if k != 'params'} == options:
                other['params'] += group['params']
                break
        else:
            out.append(dict(group, params=list(group['params'])))
    return out


def group_parameters(runner: Any) -> None:
    """Have a runner build its optimizer of few groups, unless its config names a constructor."""
    cfg = runner.optim_wrapper
    if isinstance(cfg, Mapping) and 'optimizer' in cfg and 'constructor' not in cfg:
        name = f'nasvit_mm.{GroupedOptimWrapperConstructor.__name__}'
        runner.optim_wrapper = dict(cfg, constructor=name)


class RegroupOptimizer(Hook):
    """Resumes from a checkpoint whose optimizer has a group for every tensor, as mmengine's.

    Raises:
        UsageError: the checkpoint's optimizer is grouped in another way than that of the config.
    """

    priority = 'VERY_LOW'  # after what others change in the checkpoint

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
        state = checkpoint.get('optimizer')
        if optimizer is None or not isinstance(state, Mapping) or 'param_groups' not in state:
            return
        there, ours = state['param_groups'], optimizer.param_groups
        if [len(g['params']) for g in there] == [len(g['params']) for g in ours]:
            return
        trained = [p for p in runner.model.parameters() if p.requires_grad]
        places = {id(p): i for i, p in enumerate(trained)}
        members = [[places.get(id(p), -1) for p in g['params']] for g in ours]
        alone = all(len(g['params']) == 1 for g in there)
        found = sorted(i for group in members for i in group)
        if not alone or found != list(range(len(there))) or not _alike(there, members):
            raise UsageError(
                f'the optimizer of the checkpoint has {len(there)} groups of parameters, and that '
                f'of the config {len(ours)}, of other parameters or options: resume with the '
                'optim_wrapper.paramwise_cfg and optim_wrapper.constructor that it was trained '
                'with, or begin with its weights by load_from'
            )
        checkpoint['optimizer'] = _regrouped(state, members)
        for scheduler in checkpoint.get('param_schedulers') or ():
            for name in LISTS:
                values = scheduler.get(name)
                if values is not None:  # the last is mmengine's own, of no parameter
                    scheduler[name] = [values[g[0]] for g in members] + values[len(there) :]


def _alike(groups: Sequence[Mapping[str, Any]], members: Sequence[Sequence[int]]) -> bool:
    """Return whether those that are to be joined have equal options."""
    options = [{k: v for k, v in group.items() if k != 'params'} for group in groups]
    return all(options[i] == options[some[0]] for some in members for i in some)


def _regrouped(state: Mapping[str, Any], members: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return the state of an optimizer of one group a tensor for groups of several."""
    groups, states, number = [], {}, 0
    for some in members:
        old = [state['param_groups'][i] for i in some]
        groups.append(dict(old[0], params=list(range(number, number + len(some)))))
        for group in old:
            (key,) = group['params']
            if key in state['state']:
                states[number] = state['state'][key]
            number += 1
    return dict(state, state=states, param_groups=groups)
