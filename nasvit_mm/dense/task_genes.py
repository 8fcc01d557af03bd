"""What the genes of the task do to a dense model: its config, and whether it can have them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS as MMENGINE_MODELS
from torch import nn

from nasvit_mm.arguments import parameters_of
from nasvit_mm.config import type_name
from nasvit_mm.dense.channels import fit_channels
from nasvit_mm.dense.elastic import FORMS, Form, elastic_type, last_maps
from nasvit_mm.dense.kinds import kind_of_config
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import MODELS, registered
from nasvit_mm.spaces import HEAD, OUTPUTS, SCALE, TAPS, Space
from nasvit_mm.spaces.geometry import WHOLE

Build = Callable[[Any], nn.Module]


def build_network(model: Mapping[str, Any], build: Build = MODELS.build) -> nn.Module:
    """Build a model; the neck and heads that genes of the task change become elastic.

    Args:
        model: its config.
        build: of a registry.

    Raises:
        UsageError: the model cannot have the genes that the space of its backbone has.
    """
    space = _space(model)
    if space is None or not space.task:
        return build(model)
    check_task(model, space)
    if space.is_single:
        return build(model)
    model = copy.deepcopy(model)
    genes = dict(_elastic(model, space))
    for key in genes:
        model[key]['type'] = elastic_type(_class_of(model[key]))
    built = build(model)
    for key, obeyed in genes.items():
        getattr(built, key).follow(built.backbone, obeyed)
    return built


def _space(model: Mapping[str, Any]) -> Space | None:
    """Return the space of a model's backbone; None of another project's."""
    backbone = model.get('backbone') or {}
    kind = registered(MODELS, type_name(backbone))
    if not hasattr(kind, 'read_space'):
        return None
    return kind.read_space(backbone.get('arch'), backbone.get('space'))


def _class_of(part: Mapping[str, Any]) -> type | None:
    """Return the class that a part's config names, in the scope that it is built in."""
    if isinstance(part['type'], type):
        return part['type']
    with MMENGINE_MODELS.switch_scope_and_registry(None) as registry:
        return registry.get(part['type'])


# ---------------------------------------------------------------------- which parts
def _takers(model: Mapping[str, Any]) -> list[str]:
    """Return the keys of the parts of a config that take the backbone's maps."""
    if model.get('neck'):
        return ['neck']
    return [key for key in kind_of_config(model).takes if model.get(key)]


def _head(model: Mapping[str, Any]) -> str:
    """Return the key of the head that knows the classes."""
    heads = (name.partition('.')[0] for name in kind_of_config(model).class_heads)
    return next((key for key in heads if model.get(key)), 'head')


def _elastic(model: Mapping[str, Any], space: Space) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the keys of the parts that genes of the task change, and which genes these are."""
    takers = _takers(model) if space.has(TAPS) else []
    of_head = tuple(gene for gene in (HEAD, OUTPUTS) if space.has(gene))
    heads = [_head(model)] if of_head else []
    for key in dict.fromkeys([*takers, *heads]):
        yield key, (TAPS,) * (key in takers) + of_head * (key in heads)


# ---------------------------------------------------------------------- whether it has them
def check_task(model: Mapping[str, Any], space: Space, whole: bool = True) -> None:
    """Check that a dense model can have the genes of the task of a space.

    Args:
        model: its config.
        whole: whether the model's own options have to be the largest choices, as where its weights
            are trained; else they may be larger.

    Raises:
        UsageError: names the gene, the part and what is possible.
    """
    if space.has(SCALE):
        _check_scale(model, space, whole)
    for key, genes in _elastic(model, space):
        part = model.get(key)
        having = [name for name, form in FORMS.items() if _can(form, genes)]
        if not isinstance(part, Mapping) or type_name(part) not in having:
            raise UsageError(
                f'{" and ".join(genes)} in space.task: {key} is a {_named(part)}, which is not '
                f'known in other forms; {", ".join(having)} are: take one of them, or leave '
                f'{" and ".join(genes)} out'
            )
    if space.has(HEAD):
        key = _head(model)
        name = FORMS[type_name(model[key])].width
        _check_largest(f'{key}.{name}', model[key].get(name), HEAD, space, whole)
    if space.has(OUTPUTS):
        key = _head(model)
        number = len(_listed(model[key].get('in_index')))
        _check_largest(f'the number of maps in {key}.in_index', number, OUTPUTS, space, whole)
    if space.has(TAPS):
        width = model['backbone'].get('out_width')
        if width is not None or not space.is_single:
            for each in _listed(width):
                _check_largest('backbone.out_width', each, TAPS, space, whole)


def _check_scale(model: Mapping[str, Any], space: Space, whole: bool) -> None:
    if not kind_of_config(model).any_scale:
        raise UsageError(
            f'scale is a gene of segmentors, whose class maps are brought to the size of the '
            f'labels; {_named(model)} goes by the strides of its maps: leave scale out of '
            'space.task'
        )
    own, most = model['backbone'].get('input_scale', WHOLE), space.field(SCALE).choices[0][-1]
    if own != WHOLE:
        raise UsageError(
            f'backbone.input_scale = {own}, and scale is a gene in space.task: leave the former out'
        )
    if whole and most != WHOLE and not space.is_single:
        raise UsageError(
            f"the largest scale of the space's task is {most}, in percent of the task's own size: "
            f'end the choices of scale with {WHOLE}, or have the pipelines make smaller images'
        )


def _can(form: Form, genes: Sequence[str]) -> bool:
    """Return whether parts of a form obey genes."""
    return (HEAD not in genes or form.width is not None) and (
        OUTPUTS not in genes or form.branches is not None
    )


def _check_largest(key: str, value: Any, gene: str, space: Space, whole: bool) -> None:
    most = space.field(gene).choices[0][-1]
    if value == most or (not whole and isinstance(value, int) and value > most):
        return
    raise UsageError(
        f"{key} = {value}, but the largest {gene} of the space's task is {most}: the model has the "
        f'weights of the largest, so set {key}={most}, or end the choices of {gene} with {value}'
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _named(part: Any) -> str:
    return type_name(part) if isinstance(part, Mapping) else 'row of several parts'


# ---------------------------------------------------------------------- choosing
def own_task(model: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Return the values that a model's config has of the genes of the task of a space; None of one
    that it does not say.
    """
    head, backbone = model.get(_head(model)) or {}, model['backbone']
    widths = _listed(backbone.get('out_width'))
    taps = widths[0] if len(set(widths)) == 1 else widths
    out = {SCALE: backbone.get('input_scale', WHOLE), TAPS: taps}
    if type_name(head) in FORMS:
        out[HEAD] = head.get(FORMS[type_name(head)].width)
        out[OUTPUTS] = len(_listed(head.get('in_index')))
    built = _space(model)
    if built is not None and built.is_single:  # its architecture may name some
        out |= built.split(built.largest)[1]
    return {field.name: out.get(field.name) for field in space.task}


def set_task(model: Any, task: Mapping[str, int]) -> None:
    """Set genes of the task in a model's config; what neck and heads take follows by
    :func:`nasvit_mm.dense.fit_channels`.
    """
    backbone = model.backbone
    if task.get(SCALE, WHOLE) != WHOLE:
        backbone.input_scale = task[SCALE]
    if TAPS in task:
        backbone.out_width = task[TAPS]
    head = model.get(_head(model))
    if HEAD in task:
        head[FORMS[type_name(head)].width] = task[HEAD]
    if OUTPUTS in task:
        last_maps(head, task[OUTPUTS])


def widen(cfg: Config, space: Space) -> None:
    """Have the model of a config, which may be of one architecture, be a model of all choices of
    the genes of the task of a space: its options become the largest, as :func:`check_task` wants
    them.

    Args:
        cfg: its backbone is of the space.

    Raises:
        UsageError: the head takes other maps than the last ones.
    """
    model, task = cfg.model, space.split(space.largest)[1]
    backbone, head = model.backbone, model.get(_head(model)) or {}
    if type_name(head) not in FORMS:  # as `check_task` says
        task = {gene: value for gene, value in task.items() if gene not in (HEAD, OUTPUTS)}
    if SCALE in task:
        backbone.pop('input_scale', None)
    if OUTPUTS in task:
        _take_more(head, task.pop(OUTPUTS), backbone)
    if TAPS in task and backbone.get('out_width') is None:
        task.pop(TAPS)  # the head takes the widths of the network
    set_task(model, task)
    if TAPS in task:
        fit_channels(cfg, [task[TAPS]] * len(_indices(backbone)))


def _take_more(head: Any, number: int, backbone: Mapping[str, Any]) -> None:
    """Have the options of a head that takes the last maps say that it takes more of them."""
    indices, index = _indices(backbone), _listed(head.get('in_index'))
    most = list(range(len(indices)))
    if index != most[-len(index) :] or number > len(most):
        raise UsageError(
            f'outputs in space.task: the head takes the maps {head.get("in_index")} of '
            f'{len(most)}, expected the last ones: leave outputs out of space.task'
        )
    more = most[len(most) - number : len(most) - len(index)]
    strides = registered(MODELS, type_name(backbone)).strides
    head.in_index = [*more, *index]
    head.in_channels = [head.in_channels[0]] * len(more) + list(head.in_channels)
    if head.get('feature_strides'):
        head.feature_strides = [*(strides[indices[i]] for i in more), *head.feature_strides]


def _indices(backbone: Mapping[str, Any]) -> Sequence[int]:
    """Return the indices of a backbone's outputs."""
    default = parameters_of(registered(MODELS, type_name(backbone)))['out_indices'].default
    return backbone.get('out_indices', default)
