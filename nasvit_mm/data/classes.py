"""Names and colours of the classes that a config's data sets have."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS


def class_names(cfg: Config) -> dict[str, Any]:
    """Return ``classes`` and ``palette`` of the test data, as far as they are known.

    The inferencers of mmseg and mmdet do not take them from the config.
    """
    dataset = cfg.test_dataloader.dataset
    scoped = dataset.type if '.' in dataset.type else f'{cfg.default_scope}.{dataset.type}'
    meta = {**DATASETS.get(scoped).METAINFO, **dataset.get('metainfo', {})}
    return {key: meta[key] for key in ('classes', 'palette') if key in meta}
