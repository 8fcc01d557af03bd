"""What subnets of a step compare of their answers, by the heads of mmseg and mmdet."""

from __future__ import annotations

from torch import nn

from nasvit_mm.dense.kinds.answers.base import Answers, definer
from nasvit_mm.dense.kinds.answers.maps import ClassMaps, ScoreMaps, by_sigmoid
from nasvit_mm.dense.kinds.answers.queries import Queries
from nasvit_mm.dense.kinds.answers.regions import Regions

__all__ = ['Answers', 'ClassMaps', 'ScoreMaps', 'answers_of', 'by_sigmoid', 'definer']


def answers_of(model: nn.Module) -> Answers | None:
    """Return what is compared of a model's answers; None where its heads are not known."""
    if Queries.fits(model):
        return Queries(model)
    if getattr(model, 'decode_head', None) is not None:
        kind = ClassMaps
    elif getattr(model, 'roi_head', None) is not None:
        kind = Regions
    else:
        kind = ScoreMaps
    return kind(model) if kind.fits(model) else None
