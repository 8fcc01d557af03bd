"""Costs that a user brings, named in configs of the tests by custom_imports."""

from __future__ import annotations

import numpy as np

from nasvit_mm.registry import COSTS
from nasvit_mm.search import CostSource


@COSTS.register_module(force=True)
class ChannelEnergy(CostSource):
    """Energy by the width of all stages.

    Args:
        per_channel: of a channel.
    """

    unit = 'mJ'

    def __init__(self, *args, per_channel: float = 0.5) -> None:
        super().__init__(*args)
        self.per_channel = per_channel

    def identity(self) -> dict[str, float]:
        return dict(per_channel=self.per_channel)

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        return self.per_channel * channels(self.searched.space.columns(genes))


def channels(fields: dict[str, np.ndarray]) -> np.ndarray:
    return fields['width'].sum(1)
