"""What a config says of its data is of the types that are read, before anything reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from nasvit_mm.data.coco_files import datasets_in, metrics_of
from nasvit_mm.errors import UsageError, shown_value

TEXTS = ('data_root', 'ann_file', 'img_suffix', 'seg_map_suffix')


def check_forms(cfg: Config, *splits: str) -> None:
    """Check the types of what data loaders, data sets and metrics are given.

    Raises:
        UsageError: names the key, the value and what is allowed.
    """
    _expect('default_scope', cfg.get('default_scope', 'mmseg'), str, 'a name, as mmseg or mmdet')
    for split in splits:
        where = f'{split}_dataloader'
        loader = cfg.get(where)
        if loader is None:
            continue
        _expect(where, loader, Mapping, 'dict(dataset=dict(type=...), ...)')
        _expect(f'{where}.dataset', loader.get('dataset'), Mapping, 'dict(type=..., ...)')
        for place, dataset in datasets_in(loader.dataset, f'{where}.dataset'):
            _check_dataset(place, dataset)
        for metric in metrics_of(cfg, split):
            _expect(f'{split}_evaluator', metric, Mapping, 'dict(type=..., ...) or a list of those')
            _expect_text(f'{split}_evaluator.ann_file', metric.get('ann_file'))


def _check_dataset(where: str, dataset: Mapping[str, Any]) -> None:
    for key in TEXTS:
        _expect_text(f'{where}.{key}', dataset.get(key))
    prefix = dataset.get('data_prefix')
    if prefix is not None:
        _expect(f'{where}.data_prefix', prefix, Mapping, 'dict(img_path=..., seg_map_path=...)')
        for name, folder in prefix.items():
            _expect_text(f'{where}.data_prefix.{name}', folder)
    pipeline = dataset.get('pipeline')
    if pipeline is not None:
        _expect(f'{where}.pipeline', pipeline, (list, tuple), 'a list of transforms')
    if dataset.get('metainfo') is not None:
        _expect(f'{where}.metainfo', dataset['metainfo'], Mapping, 'dict(classes=(...))')


def _expect_text(where: str, value: Any) -> None:
    if value is not None:
        _expect(where, value, str, 'a text')


def _expect(where: str, value: Any, kind: type | tuple[type, ...], allowed: str) -> None:
    if not isinstance(value, kind):
        raise UsageError(f'{where} = {shown_value(value)}, expected {allowed}')
