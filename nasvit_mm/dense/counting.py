"""MACs and parameters of the model that a config describes, at the size that it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from nasvit_mm.dense.build import build_model
from nasvit_mm.dense.config import standalone
from nasvit_mm.dense.cost import ModelCost, count_model
from nasvit_mm.dense.kinds import kind_of_config
from nasvit_mm.dense.searched import searched_model
from nasvit_mm.errors import ArchitectureError, UsageError
from nasvit_mm.runtime import check_has_model, config_name, read_config


def count(
    cfg: str | Path | Config | Mapping[str, Any],
    arch: Any = None,
    shape: int | Sequence[int] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
) -> ModelCost:
    """Count MACs and parameters of a config's model: backbone, neck, head, total.

    Args:
        cfg: of any segmentor or detector of this project, of mmseg and of mmdet, or of a supernet
            in one.
        arch: another architecture for this project's backbone, in any form that ``Space.arch``
            takes (of a supernet: the largest).
        shape: side or (height, width) of the image that the network sees, in pixels; None: as of
            :func:`input_size`.
        options: overrides by dotted key: ``{'model.backbone.arch': 'nasvit_min'}``.

    Raises:
        UsageError: a config of no dense model, or something that is no architecture of its space.
    """
    cfg = _with_arch(standalone(read_config(cfg, options)), arch)
    return count_model(build_model(cfg), input_size(cfg, shape))


def _with_arch(cfg: Config, arch: Any) -> Config:
    check_model(cfg)
    if 'backbone' not in cfg.model:
        raise UsageError(f'{config_name(cfg)} is of a {cfg.model.type}, {_uncounted(cfg.model)}')
    supernet = cfg.model.backbone.get('arch') == 'supernet'
    if arch is None and not supernet:
        return cfg
    try:
        return searched_model(cfg).config('largest' if arch is None else arch)
    except ArchitectureError as error:
        raise UsageError(f'--arch: {error}') from error


def _uncounted(model: Mapping[str, Any]) -> str:
    """Return why a model without a backbone is not counted, and what is instead."""
    if kind_of_config(model).classifies:
        return 'no dense model; nasvit_mm.cost.count gives the cost of a classifier'
    inner = [key for key, part in model.items() if isinstance(part, Mapping) and 'backbone' in part]
    remedy = (
        f"that of its {inner[0]} is: give the detector's own config"
        if inner
        else ('count its parts by nasvit_mm.dense.trace(module, size)')
    )
    return f'whose cost as a whole is not known how to count, as it has no backbone; {remedy}'


def check_model(cfg: Config) -> None:
    """Check that a config is of a model.

    Raises:
        UsageError: one without, as a search's is.
    """
    check_has_model(cfg)


def input_size(cfg: Config, shape: int | Sequence[int] | None = None) -> tuple[int, int]:
    """Return height and width of the image that a config's model sees.

    Args:
        cfg: of a dense model.
        shape: a side or both, in pixels; None: the config's training crop, or of a detector the
            wide image that its test pipeline makes, padded.

    Raises:
        UsageError: no size, or one below 32 pixels.
    """
    shape = (
        shape
        or cfg.model.get('data_preprocessor', {}).get('size')
        or cfg.get('crop_size')
        or _test_size(cfg)
    )
    if shape is None:
        raise UsageError(
            'the config names no input size: give --shape H W, for example --shape 512 512'
        )
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if len(shape) not in (1, 2) or min(shape) < 32:
        raise UsageError(
            f'--shape {" ".join(map(str, shape))}: expected H W, or one number for '
            'both, of at least 32 pixels'
        )
    return shape[0], shape[-1]


def _test_size(cfg: Config) -> tuple[int, int] | None:
    divisor = cfg.model.get('data_preprocessor', {}).get('pad_size_divisor', 1)
    for step in cfg.get('test_pipeline', ()):
        if step.get('type') == 'Resize' and step.get('keep_ratio') and step.get('scale'):
            return tuple(-(-side // divisor) * divisor for side in sorted(step.scale))
    return None
