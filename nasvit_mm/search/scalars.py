"""A search's course as scalars, for TensorBoard, MLflow, W&B and other backends of mmengine."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import VISUALIZERS
from mmengine.visualization import Visualizer

from nasvit_mm.building import building
from nasvit_mm.search.standing import Standing

_SEARCHES = itertools.count()  # of this process: mmengine knows a visualizer by its name


class Scalars:
    """Sends how a search stands to a visualizer, at the end of every generation.

    ``best/<objective>``, ``front`` (its size), ``failed`` and ``hypervolume`` (over the first
    generation's); the step is the number of candidates.

    Args:
        visualizer: of mmengine.
        known: number of candidates that the archive had before, whose scalars are there.
    """

    def __init__(self, visualizer: Visualizer, known: int = 0) -> None:
        self.visualizer, self.known = visualizer, known

    def end_generation(self, now: Standing) -> None:
        """Send scalars, unless they were sent before."""
        if now.number <= self.known:
            return
        scalars: dict[str, Any] = {f'best/{name}': best.value for name, best in now.best.items()}
        scalars |= dict(front=len(now.front), failed=now.failed)
        if now.growth is not None:
            scalars['hypervolume'] = now.growth
        self.visualizer.add_scalars(scalars, step=now.number)

    def close(self) -> None:
        """Let the backends write what they hold."""
        self.visualizer.close()


def build_visualizer(cfg: Config, given: Mapping[str, Any], folder: str | Path) -> Visualizer:
    """Build the visualizer of a search.

    Args:
        cfg: of the search, for messages.
        given: ``dict(type='Visualizer', vis_backends=[dict(type='TensorboardVisBackend')])``.
        folder: where backends on the disk write.

    Raises:
        UsageError: no such visualizer or backend.
    """
    name = f'search_{Path(folder).name}_{next(_SEARCHES)}'
    with building(cfg):
        return VISUALIZERS.build(deepcopy(dict(given)) | dict(name=name, save_dir=str(folder)))
