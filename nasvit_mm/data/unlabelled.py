"""Images without annotations, which can be predicted and not evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope

from nasvit_mm.data.coco_files import coco_set, metrics_of
from nasvit_mm.data.coco_json import read_coco
from nasvit_mm.data.forms import check_forms


def predict_unlabelled(cfg: Config) -> None:
    """Change a config to predict its test images without annotations, where there are none.

    The folder of masks is missing while that of the images is there, or the COCO JSON lists images
    alone.  The metric then writes predictions and computes nothing.
    """
    check_forms(cfg, 'test')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    if dataset.get('backend_args'):
        return
    why = _without_masks(dataset) or _without_boxes(dataset)
    if not why:
        return
    dataset.pipeline = list(_without_annotations(dataset.get('pipeline') or ()))
    for metric in metrics_of(cfg, 'test'):
        metric['format_only'] = True
    print_log(f'{why}: the images are predicted, and there is no metric', 'current', level=30)


def _without_masks(dataset: dict[str, Any]) -> str:
    """Leave the folder of masks out if it does not exist; return what is to be said."""
    prefix, root = dataset.get('data_prefix') or {}, dataset.get('data_root') or ''
    masks, images = prefix.get('seg_map_path'), prefix.get('img_path')
    if not (masks and images and root):
        return ''
    if Path(root, masks).exists() or not Path(root, images).exists():
        return ''
    del prefix['seg_map_path']
    return f'{Path(root, masks)} does not exist'


def _without_boxes(dataset: dict[str, Any]) -> str:
    """Return what is to be said of a COCO JSON without annotations."""
    found = coco_set('test_dataloader.dataset', dataset)
    if not found or not Path(found.ann_file).is_file():
        return ''
    if read_coco(found.ann_file, annotated=False).get('annotations'):
        return ''
    return f'{found.ann_file} holds no annotations'


def _without_annotations(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    for step in pipeline:
        if str(step.get('type', '')).rpartition('.')[2] != 'LoadAnnotations':
            yield step
