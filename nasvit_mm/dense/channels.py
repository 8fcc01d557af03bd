"""Whether neck and heads take the widths that the backbone gives, and setting them in a config."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseTTAModel
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from nasvit_mm.backbones import image_channels
from nasvit_mm.dense.kinds import bare_model, child, kind_of, kind_of_config
from nasvit_mm.dense.trace import copied
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import unwrapped
from nasvit_mm.spaces.geometry import WHOLE

SIZE = (1024, 1024)  # of the image that is tried: large enough for heads of many levels or cells
# Layers whose width an option of their own says: the option, and the output that they take.
OWN_OPTIONS = {'c1_bottleneck': ('c1_in_channels', 0)}  # of DeepLabV3+
INPUTS = ('in_channels', 'in_channel', 'embed_dim')  # what parts call the widths that they take


# ---------------------------------------------------------------------- checking
def check_channels(model: nn.Module) -> None:
    """Check that neck and heads take the widths that the backbone gives, by trying it.

    In OpenMMLab the config says both; a mistake would show as a shape error inside a convolution.
    Neck and heads of a copy run on the meta device; inside a supernet they must take the widths of
    all subnets.  A model whose code needs values, or fails in another way, passes.

    Raises:
        UsageError: names the layer, what it takes and what it is given; or a scale of the input
            that the kind of model cannot have.
    """
    model = unwrapped(model, BaseTTAModel)
    inner = bare_model(model)
    backbone = getattr(inner, 'backbone', None)
    if not isinstance(backbone, nn.Module):
        return
    if getattr(backbone, 'percent', WHOLE) != WHOLE and not kind_of(inner).any_scale:
        raise UsageError(
            f'backbone.input_scale = {backbone.percent}: what {type(inner).__name__} predicts goes '
            'by the strides of its maps, which another scale inside the backbone changes: leave '
            'input_scale out, and resize the images in the pipelines'
        )
    tried = copied(inner, torch.device('meta'))
    if inner is model or not hasattr(backbone, 'channels_of'):
        _check(tried, 'model', '')
        return
    for name in ('smallest', 'largest'):
        tried.backbone.set_arch(getattr(backbone.space, name))
        _check(tried, 'model.model', f' ({name} subnet)')


class _Misfit(NamedTuple):
    """A layer that takes other maps than it is given; how many channels it takes and gets, if it
    says.
    """

    name: str
    problem: str
    taken: int | None = None
    found: int | None = None


def _check(model: nn.Module, where: str, which: str) -> None:
    kind = kind_of(model)
    image = torch.zeros(1, image_channels(model), *SIZE, device='meta')
    given: dict[str, list[int]] = {}

    def note(part: str, maps: Any) -> None:
        given[part] = [m.shape[1] for m in (maps if isinstance(maps, (list, tuple)) else [maps])]

    row = child(model, 'neck')
    several = [f'neck.{i}' for i in range(len(row))] if isinstance(row, nn.Sequential) else []
    for part in ('backbone', 'neck', *several):
        if isinstance(child(model, part), nn.Module):
            child(model, part).register_forward_hook(
                lambda module, args, maps, part=part: note(part, maps)
            )
    runs: list[Callable[[], Any]] = [lambda: kind.prediction_fn(model, SIZE)(model, image)]
    auxiliary = child(model, 'auxiliary_head')
    if auxiliary is not None and hasattr(model, 'extract_feat'):
        heads = auxiliary if isinstance(auxiliary, nn.ModuleList) else [auxiliary]
        runs += [lambda head=head: head(model.extract_feat(image)) for head in heads]
    for run in runs:
        misfit = _misfit(model, run)
        if misfit is not None and given:
            raise UsageError(_message(model, misfit, given, where, which))


def _message(
    model: nn.Module, misfit: _Misfit, outputs: dict[str, list[int]], where: str, which: str
) -> str:
    part = _taker(model, misfit.name)
    source = 'backbone' if part == 'neck' or 'neck' not in outputs else 'neck'
    if part.startswith('neck.'):
        before = f'neck.{int(part.removeprefix("neck.")) - 1}'
        source = before if before in outputs else 'backbone'
    given, module = outputs[source], child(model, part)
    fixed = _fixed_width(model) if source == 'backbone' else None
    follows = fixed is None or given == [fixed]  # what takes a map of the right width
    option = _option_of_regions(model, misfit) if follows else None
    if option is not None and (not which or source != 'backbone'):
        key, value, fitted = option
        return (
            f'{where}.{key} = {value}, but the {source} gives {given}: {where}.{misfit.name} '
            f'{misfit.problem}; set {where}.{key}={fitted}'
        )
    taken = getattr(module, 'in_channels', None)
    if len(given) == 1 and taken is not None:  # (CenterNet's neck overwrites its attribute.)
        taken = misfit.taken if isinstance(taken, int) else [misfit.taken]
    elif misfit.taken not in (None, *(taken if isinstance(taken, (list, tuple)) else [taken])):
        taken = None  # another option says it, as c1_in_channels of DeepLabV3+
    own = OWN_OPTIONS.get(misfit.name.removeprefix(f'{part}.').partition('.')[0])
    fitted = _picked(taken, given, getattr(module, 'in_index', None))
    setting, options = f'{where}.{part}.in_channels', []
    one_width = not which or source != 'backbone'  # those of a supernet's backbone are many
    if one_width and (
        source != 'backbone' or part.partition('.')[0] in ('neck', *kind_of(model).takes)
    ):
        options = [
            f'set the option of {where}.{part} that says so'
            if fitted in (None, taken)
            else f'set {setting}={fitted}{_also(module, where, part, fitted)}'
        ]
    if own is not None and one_width:
        option, output = own
        options = [f'set {where}.{part}.{option}={given[output]}']
    if fixed is not None:
        options = options if follows and options else [f'give the backbone out_width={fixed}']
    elif source == 'backbone':
        if hasattr(module, 'in_channels') or misfit.taken is None:
            options.append(f'give the backbone {_out_width(taken, given)}')
        else:  # one width for all of its maps, as the neck Feature2Pyramid
            options.append(f'give the backbone out_width={misfit.taken}')
    start = (
        f'{where}.{part} does not fit the {source}, which'
        if taken is None
        else f'{setting} = {taken}, but the {source}'
    )
    return (
        f'{start} gives {given}{which}: {where}.{misfit.name} {misfit.problem}; '
        f'{", or ".join(options)}'
    )


def _option_of_regions(model: nn.Module, misfit: _Misfit) -> tuple[str, int, int] | None:
    """Return the option of a part of the second stage that says what a layer takes: its key, what
    it is and what it has to be; None where none says it.
    """
    parts = misfit.name.split('.')
    if parts[0] != 'roi_head' or misfit.taken is None:
        return None
    stages = len(parts) > 2 and parts[2].isdigit()
    name = '.'.join(parts[: 3 if stages else 2])
    key = 'out_channels' if _is_extractor(child(model, name)) else 'in_channels'
    value = getattr(child(model, name), key, None)
    if not isinstance(value, int) or misfit.taken % value:
        return None
    pixels = misfit.taken // value  # of a region, all of which a linear layer takes
    if misfit.found % pixels:
        return None
    if parts[1] != 'bbox_head':  # alone among the parts of a cascade it has a config a stage
        name = '.'.join(parts[:2])
    return f'{name}.{key}', value, misfit.found // pixels


def _is_extractor(module: nn.Module | None) -> bool:
    return hasattr(module, 'roi_layers')


def _fixed_width(model: nn.Module) -> int | None:
    """Return the width that a ``shared_head`` takes, the last stage of a ResNet in detectors of the
    C4 kind, which no option changes; None without one.
    """
    shared = child(model, 'roi_head.shared_head')
    convolutions = (m for m in shared.modules() if isinstance(m, nn.Conv2d)) if shared else ()
    return next((m.in_channels for m in convolutions), None)


def _also(module: nn.Module, where: str, part: str, fitted: Any) -> str:
    """Return what more has to be set with ``in_channels``, for parts that ask for both."""
    if getattr(module, 'num_convs', None) == 0:  # FCNHead, which maps the backbone's map to classes
        return f' and {where}.{part}.channels={fitted}'
    if type(module).__name__ == 'SSDNeck':  # whose first outputs are its inputs
        return f', and the first of {where}.{part}.out_channels to the same'
    return ''


def _taker(model: nn.Module, name: str) -> str:
    """Return the dotted name of the neck or head that a layer is in, as its config has it."""
    parts = name.split('.')
    if parts[0] == 'neck' and isinstance(child(model, 'neck'), nn.Sequential):
        return '.'.join(parts[:2])
    outer = ['.'.join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((one for one in outer if hasattr(child(model, one), 'in_index')), parts[0])


def _misfit(model: nn.Module, run: Callable[[], Any]) -> _Misfit | None:
    """Run a part of a model; return the layer that takes other widths, or the neck or head that
    takes another number of maps; None where it runs, or fails in another way.
    """
    with torch.no_grad(), _entered(model) as inside:
        try:
            run()
        except Exception as error:  # whatever the code of a foreign model raises
            name, layer, args = inside[-1] if inside else ('', model, ())
            if name.partition('.')[0] in ('', 'backbone'):
                return None
            maps = args[0] if args else None
            if torch.is_tensor(maps) or _is_extractor(layer):
                if _is_extractor(layer):
                    taken, found = layer.out_channels, maps[0].shape[1]
                else:
                    taken, found = _taken(layer), maps.shape[_axis(layer)]
                if taken in (None, found):
                    return None
                said = f'takes {taken} channels and gets {found}'
                return _Misfit(name, said, taken, found)
            if isinstance(error, (AssertionError, IndexError)) and isinstance(maps, (list, tuple)):
                of, several = [m.shape[1] for m in maps], getattr(layer, 'in_channels', 0)
                index = np.max(getattr(layer, 'in_index', None) or 0)
                if index >= len(of) or isinstance(several, Sequence) and len(several) != len(of):
                    return _Misfit(name, f'does not take {len(of)} maps of {of} channels')
    return None


@contextlib.contextmanager
def _entered(model: nn.Module) -> Iterator[list[tuple[str, nn.Module, tuple[Any, ...]]]]:
    """Give, in this context, the modules inside which the code is: name, module, arguments."""
    inside: list[tuple[str, nn.Module, tuple[Any, ...]]] = []
    hooks = []

    def enter(module: nn.Module, args: tuple[Any, ...], name: str) -> None:
        inside.append((name, module, args))
        if isinstance(module, _ConvTransposeNd) and args[0].shape[1] != module.in_channels:
            raise RuntimeError('given maps of another width')  # the meta device does not look

    for name, module in model.named_modules():
        if name:
            hooks += [
                module.register_forward_pre_hook(
                    lambda module, args, name=name: enter(module, args, name)
                ),
                module.register_forward_hook(lambda *_: inside.pop() and None),
            ]
    try:
        yield inside
    finally:
        for hook in hooks:
            hook.remove()


def _taken(layer: nn.Module) -> int | None:
    """Return how many channels a layer takes; None of one that takes whatever comes."""
    shape = getattr(layer, 'normalized_shape', None)
    names = ('in_channels', 'in_features', 'num_features', 'num_channels')
    taken = next((getattr(layer, name) for name in names if hasattr(layer, name)), None)
    return shape[-1] if shape else taken if isinstance(taken, int) else None


def _axis(layer: nn.Module) -> int:
    return -1 if hasattr(layer, 'in_features') or hasattr(layer, 'normalized_shape') else 1


def _out_width(taken: Any, given: Sequence[int]) -> str:
    """Return the option of the backbone with which a part would run as it is."""
    if isinstance(taken, (list, tuple)) and len(taken) == len(given):
        return f'out_width={list(taken)[::-1] if _reversed(taken, given) else list(taken)}'
    return f'out_width={taken}' if isinstance(taken, int) and len(given) == 1 else 'out_width'


# ---------------------------------------------------------------------- setting
def fit_channels(cfg: Config, widths: Sequence[int], before: Sequence[int] | None = None) -> None:
    """Set what neck and heads take to the widths that the backbone gives, in the config.

    The first neck takes the backbone's maps, or the heads do; behind a neck that hands maps on as
    they are (JPU, SSD's) the heads follow it.  Order and type of what is set stay.

    Args:
        widths: channels of the backbone's outputs, in order.
        before: the widths that it gave so far, if known; nothing changes where they are the same.
    """
    model, widths = cfg.model, [int(w) for w in widths]
    if before is not None and list(before) == widths:
        return
    kind = kind_of_config(model)
    for taker in kind.config_takers(model):
        _fit(taker, widths)
    if model.get('roi_head') and not model.get('neck') and len(set(widths)) == 1:
        _fit_regions(model.roi_head, widths[0])
    if model.get('neck'):
        outputs = _outputs(cfg, widths)
        for head in kind.config_heads(model) if outputs else []:
            _follow(head, outputs)


def _fit(part: Any, widths: Sequence[int]) -> None:
    """Set the widths that a part of a config takes, and of the parts that it hands them to."""
    if part.get('kernel_generate_head'):  # of K-Net
        _fit(part.kernel_generate_head, widths)
        return
    key = next((key for key in INPUTS if key in part), 'in_channels')
    old = part.get(key)
    new = _picked(old, widths, part.get('in_index'))
    if new is None:  # an output that is not there, as `check_channels` says
        return
    part[key] = new
    if part.get('c1_in_channels'):  # of DeepLabV3+: the first map
        part.c1_in_channels = widths[0]
    if part.get('num_convs') == 0 and 'channels' in part:  # a head of one layer
        part.channels = sum(new) if isinstance(new, (list, tuple)) else new
    out = part.get('out_channels')
    if isinstance(out, (list, tuple)) and old and list(out[: len(new)]) == list(old):
        part.out_channels = type(out)([*new, *out[len(new) :]])  # the neck of SSD


def _fit_regions(roi_head: Any, width: int) -> None:
    """Set the width of the maps that regions are cut out of, and of the heads that take these."""
    if roi_head.get('shared_head'):  # of a width of its own, see `_fixed_width`
        return
    for name in [key for key in roi_head if key.endswith('roi_extractor') and roi_head[key]]:
        parts = roi_head[name] if isinstance(roi_head[name], (list, tuple)) else [roi_head[name]]
        heads = roi_head.get(name.replace('roi_extractor', 'head')) or []
        for head in heads if isinstance(heads, (list, tuple)) else [heads]:
            if head.get('in_channels') == parts[0].get('out_channels'):
                head.in_channels = width
        for part in parts:
            part.out_channels = width


def _picked(old: Any, widths: Sequence[int], index: Any) -> Any:
    """Return the widths that a part takes, in the form of what it took; None: out of reach.

    Args:
        index: the part's ``in_index``: of one output, of several, or None: of its last one if it
            took one width, of all if it took several.
    """
    several = isinstance(index, (list, tuple))
    if index is None:
        index = -1 if isinstance(old, int) else range(len(widths))
    elif not several and isinstance(old, (list, tuple)):
        index = [index]
    try:
        if isinstance(index, int):
            return widths[index]
        new = [widths[i] for i in index]
    except IndexError:
        return None
    if not several and isinstance(old, (list, tuple)) and _reversed(old, widths):
        new = new[::-1]
    return tuple(new) if isinstance(old, tuple) else new


def _reversed(taken: Sequence[int], widths: Sequence[int]) -> bool:
    """Return whether a part takes the deepest map first, as YOLOv3's neck does."""
    downwards = list(taken) == sorted(taken, reverse=True) != list(taken)[::-1]
    return downwards and list(widths) == sorted(widths)


def _outputs(cfg: Config, widths: Sequence[int]) -> list[int]:
    """Return the widths of what the neck gives; none where it does not run on its own."""
    necks = cfg.model.neck if isinstance(cfg.model.neck, (list, tuple)) else [cfg.model.neck]
    sides = [SIZE[0] // 4 >> i for i in range(len(widths))]  # enough for the last levels of SSD
    try:
        with torch.device('meta'), torch.no_grad():
            maps: Any = [torch.zeros(1, w, side, side) for w, side in zip(widths, sides)]
            for neck in necks:
                net = MODELS.build(dict(neck)).to('meta')  # where not all parts were made there
                net.eval()
                maps = net(maps)
    except Exception:  # one that needs values, or strides of its own
        return []
    return [m.shape[1] for m in maps if isinstance(m, Tensor)]


def _follow(head: Any, outputs: Sequence[int]) -> None:
    """Set what a head behind a neck takes, where no output of the neck has it."""
    old, index = head.get('in_channels'), head.get('in_index')
    if isinstance(old, int) and (index is not None or old not in outputs):
        head.in_channels = outputs[-1 if index is None else index]
    elif isinstance(old, (list, tuple)) and (index is not None or len(old) == len(outputs)):
        head.in_channels = _picked(old, outputs, index)
