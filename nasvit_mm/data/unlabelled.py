"""Images without annotations, which can be predicted and not evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log


def predict_unlabelled(cfg: Config) -> None:
    """Change a config to predict its test images without annotations, where there are none.

    The folder of masks is missing while that of the images is there.  The metric then writes
    predictions and computes nothing.
    """
    loader = cfg.get('test_dataloader') or {}
    dataset = loader.get('dataset') or {}
    prefix = dataset.get('data_prefix') or {}
    root, masks = dataset.get('data_root') or '', prefix.get('seg_map_path')
    images = prefix.get('img_path')
    if not masks or not images or dataset.get('backend_args') or not root:
        return
    if Path(root, masks).exists() or not Path(root, images).exists():
        return
    del prefix['seg_map_path']
    dataset.pipeline = list(_without_annotations(dataset.get('pipeline') or ()))
    found = cfg.get('test_evaluator') or []
    for metric in found if isinstance(found, list) else [found]:
        metric['format_only'] = True
    print_log(
        f'{Path(root, masks)} does not exist: the images are predicted, and there is no metric',
        'current',
        level=30,
    )


def _without_annotations(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    for step in pipeline:
        if str(step.get('type', '')).rpartition('.')[2] != 'LoadAnnotations':
            yield step
