"""The pass over what a config's data sets hold, before anything is built."""

from __future__ import annotations

import os

from mmengine.config import Config

from nasvit_mm.data.coco_files import check_coco_set, coco_sets, datasets_in, metrics_of
from nasvit_mm.data.pass_cache import PassCache
from nasvit_mm.data.report import Problems


def check_contents(cfg: Config, *splits: str, skip: bool = False) -> None:
    """Read annotation files, compare them with COCO's format and their images.

    Masks are looked at by the hook :class:`nasvit_mm.dense.CheckData`, once there is a model.  The
    first of several processes reads; what a pass found is kept in WORK_DIR/data_check.json.

    Args:
        cfg: with a ``work_dir``.
        splits: ``'train'``, ``'val'``, ``'test'``.
        skip: check nothing, and have the hook look at no masks.

    Raises:
        DataError: names the first five mistakes of each kind and the remedies.
    """
    if skip:
        hooks = cfg.get('default_hooks') or {}
        if hooks.get('check_data'):
            hooks.check_data.contents = False
        return
    if os.environ.get('RANK', '0') != '0':
        return
    problems, cache = Problems(), PassCache(cfg.get('work_dir'))
    for split in splits:
        key = f'{split}_dataloader'
        if cfg.get(key) is not None:
            found = datasets_in(cfg[key].get('dataset'), f'{key}.dataset')
            for one in coco_sets(found, metrics_of(cfg, split)):
                check_coco_set(one, split, problems, cache)
    problems.log_warnings()
    problems.raise_if_any()
