"""Looking at data outside of a training: a search judges by images, an export calibrates."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from nasvit_mm.data import check_contents, check_data
from nasvit_mm.dense.build import build_model
from nasvit_mm.dense.check_data import CheckData
from nasvit_mm.dense.config import standalone

LOOPS = ('train', 'val', 'test')


def look_at_data(
    cfg: Config, splits: dict[str, str], folder: str | Path, model: nn.Module | None = None
) -> None:
    """Check what data sets hold as :class:`CheckData` does before a training.

    Args:
        cfg: with the data loaders, and the model where that is not given.
        splits: ``'train'``, ``'val'``, ``'test'`` -> the split that is read for it.
        folder: where results are kept, ``data_check.json``; those of a training in it serve.
        model: that the labels are for.

    Raises:
        DataError: what is wrong, by its first examples; names the remedies.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(folder)
    check_data(cfg, *splits.values())
    check_contents(cfg, *splits.values())
    model = build_model(standalone(cfg)) if model is None else model
    loops = dict.fromkeys(f'_{name}_loop' for name in LOOPS)
    for name, split in splits.items():
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loops[f'_{name}_loop'] = SimpleNamespace(dataloader=Runner.build_dataloader(loader, seed=0))
    CheckData().before_run(SimpleNamespace(model=model, work_dir=str(folder), **loops))
