"""Checks that the folders and lists of the data sets exist, before anything is built."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from nasvit_mm.data.coco_complete import complete_coco
from nasvit_mm.data.coco_files import check_evaluator, dataset_class, datasets_in, metrics_of
from nasvit_mm.data.forms import check_forms
from nasvit_mm.data.images import files_below
from nasvit_mm.data.known_places import how_to_get
from nasvit_mm.data.wide_labels import keep_wide_labels
from nasvit_mm.errors import UsageError, shown_path


def check_data(cfg: Config, *splits: str) -> None:
    """Check that the data sets' folders and lists exist and are not empty.

    What the data sets hold is another pass, :func:`nasvit_mm.data.check_contents`.

    Raises:
        UsageError: a value is of another type; a path is missing; the message names it, the
            dataloader and the remedy.  The metric reads other annotations than the data loader.
    """
    check_forms(cfg, 'train', 'val', 'test')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    complete_coco()
    keep_wide_labels()
    for split in splits:
        key = f'{split}_dataloader'
        if cfg.get(key) is None:
            continue
        found = list(datasets_in(cfg[key].get('dataset'), f'{key}.dataset'))
        for where, dataset in found:
            _check_dataset(where, dataset)
        _check_metric(cfg, split)
    for split in ('train', 'val', 'test'):  # what a later test will read, too
        check_evaluator(cfg, split)


def _check_metric(cfg: Config, split: str) -> None:
    """Check the annotation file of COCO's metric, which reads it only after the first epoch."""
    for metric in metrics_of(cfg, split):
        path = metric.get('ann_file')
        if path and not metric.get('backend_args') and not Path(path).is_file():
            raise UsageError(
                f'{shown_path(path)} does not exist ({split}_evaluator.ann_file, '
                f'{metric.type}): name the annotations of '
                f'{split}_dataloader.dataset there'
            )


def _check_dataset(where: str, dataset: Mapping) -> None:
    root = dataset.get('data_root') or ''
    if dataset.get('backend_args') or '://' in root:
        return  # not on this machine's disk
    if root and not Path(root).is_dir():
        raise UsageError(
            f'the data set folder {shown_path(root)} does not exist ({where}.data_root, '
            f'{dataset.get("type")}). {_remedy(where, root)}'
        )
    prefixes = dataset.get('data_prefix') or {}
    paths = [(f'data_prefix.{name}', value) for name, value in prefixes.items()]
    paths.append(('ann_file', dataset.get('ann_file')))
    for name, value in paths:
        if not isinstance(value, str) or not value:
            continue
        path = Path(root, value)
        if not path.exists():
            raise UsageError(
                f'{shown_path(path)} does not exist ({where}.{name}), though {root} '
                f'does: another layout than {dataset.get("type")} reads. '
                f'{_remedy(where, root)}{_without_masks(where, name)}'
            )
        if path.is_dir() and not any(path.iterdir()):
            raise UsageError(
                f'{shown_path(path)} is empty ({where}.{name}). {_remedy(where, root)}'
            )
        if name == 'data_prefix.img_path':
            _check_suffix(where, path, dataset)


def _check_suffix(where: str, folder: Path, dataset: Mapping) -> None:
    """Check that a folder has images with the data set's suffix.

    mmseg's data sets take the files with a suffix; without any they fail late and obscurely.
    """
    kind = dataset_class(dataset.get('type'))
    parameter = inspect.signature(kind).parameters.get('img_suffix') if kind else None
    suffix = dataset.get('img_suffix', parameter and parameter.default)
    if not isinstance(suffix, str) or dataset.get('ann_file'):
        return
    if not any(name.endswith(suffix) for name in files_below(folder)):
        endings = Counter(Path(name).suffix for name in files_below(folder))
        there = [ending for ending, _ in endings.most_common() if ending]
        other = (
            f'Give their ending: --cfg-options {where}.img_suffix={there[0]}, or another folder'
            if there
            else f'Put images there, or name another folder in {where}.data_prefix.img_path'
        )
        raise UsageError(
            f'no file in {shown_path(folder)} ends in {suffix!r}, as the images of '
            f'{dataset.get("type")} do (found: {", ".join(there[:5]) or "none"}). {other}'
        )


def _remedy(where: str, root: str) -> str:
    return (
        f'{how_to_get(root)}Put the data set there, link it (ln -s /its/real/place {root}), or '
        f'name its place: --cfg-options {where}.data_root=/its/real/place. To try all without '
        'data: make demo'
    )


def _without_masks(where: str, name: str) -> str:
    if not where.startswith('test_') or name != 'data_prefix.seg_map_path':
        return ''
    return '. Without annotations images can be predicted and not evaluated: test --out DIR'
