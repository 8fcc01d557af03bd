"""The cost of a whole dense model: backbone, neck and head of a segmentor or a detector."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from nasvit_mm.data import some
from nasvit_mm.dense.kinds import child, kind_of
from nasvit_mm.dense.trace import trace_parts
from nasvit_mm.errors import UsageError, first_line


@dataclass(frozen=True)
class ModelCost:
    """Cost of one prediction for one image.

    Attributes:
        macs: part (``'backbone'``, ``'neck'`` where there is one, ``'head'``) -> MACs.
        params: part -> parameters; those of auxiliary heads, which only train, are left out.
        input_size: (height, width) of the image, in pixels.
        counted_with: what more the MACs depend on, as the number of queries or regions.
    """

    macs: dict[str, int]
    params: dict[str, int]
    input_size: tuple[int, int]
    counted_with: dict[str, int] = field(default_factory=dict)

    @property
    def total_macs(self) -> int:
        return sum(self.macs.values())

    @property
    def total_params(self) -> int:
        return sum(self.params.values())


def count_model(model: nn.Module, input_size: int | tuple[int, int]) -> ModelCost:
    """Count MACs and parameters of a model by part, attention included.

    The prediction, as the model's kind runs it, is traced on the meta device: no memory is
    needed, and the model is not touched.

    Args:
        model: a model of mmengine: a segmentor, a detector, or what computes its prediction in
            ``mode='tensor'``.
        input_size: side or (height, width) of the image the network sees, in pixels.

    Raises:
        UsageError: a model whose prediction is not known how to run.
    """
    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    kind = kind_of(model)
    parts = [name for name in ('backbone', 'neck') if getattr(model, name, None) is not None]
    try:
        counted, idle = trace_parts(model, size, parts, kind.prediction_fn(model, size))
    except UsageError:
        raise
    except Exception as error:  # whatever the code of a foreign model raises
        raise UsageError(
            f'{type(model).__name__} cannot be counted: its prediction does not run as that of '
            f'the kind {type(kind).__name__} ({type(error).__name__}: {first_line(error)}); '
            'register a kind of model that knows how (CONTRIBUTING.md)'
        ) from error
    outside = kind.training_parts(model)
    skipped = {'backbone', *outside}  # of a supernet's backbone most may be idle
    idle = [name for name in idle if not any(f'{name}.'.startswith(f'{s}.') for s in skipped)]
    if idle:
        raise UsageError(
            f'{type(model).__name__} cannot be counted: the prediction, as the kind '
            f'{type(kind).__name__} runs it, does not use the layers {some(idle)}; register a kind '
            'of model whose prediction_fn runs them, or whose trains_only names them '
            '(CONTRIBUTING.md)'
        )
    total = counted.pop('total')
    params = {name: _num_params(getattr(model, name)) for name in parts}
    idle_params = sum(_num_params(part) for name in outside if (part := child(model, name)))
    return ModelCost(
        macs={**counted, 'head': total - sum(counted.values())},
        params={**params, 'head': _num_params(model) - sum(params.values()) - idle_params},
        input_size=size,
        counted_with=kind.counted_with(model),
    )


def _num_params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
