"""What is held out of training: disjoint, the same whatever is filtered, and named mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from nasvit_mm import compat  # noqa: F401  (mmdet without compiled operations)
from nasvit_mm.demo_data import write_ade20k, write_coco
from nasvit_mm.dense import check_pretrained
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import DATASETS
from tests.commands import ROOT

CONFIGS = {'ade20k': 'configs/seg/nasvit_ade20k.py', 'coco': 'configs/det/nasvit_coco.py'}


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('split')
    write_ade20k(root / 'ade20k', 24, 1, height=32, width=48, progress=False)
    write_coco(root / 'coco', 24, 1, height=64, width=96, progress=False)
    return root


def dataset(kind: str, data: Path, **changes) -> dict:
    cfg = Config.fromfile(ROOT / CONFIGS[kind])
    init_default_scope(cfg.default_scope)
    return dict(cfg.train_dataloader.dataset, data_root=str(data / kind), **changes)


def names(kind: str, data: Path, part: str, every: int = 4, **changes) -> list[str]:
    built = DATASETS.build(
        dict(
            type='nasvit_mm.SplitDataset',
            part=part,
            every=every,
            dataset=dataset(kind, data, **changes),
        )
    )
    assert len(built) == len([built[i] for i in range(len(built))])
    return [Path(built.get_data_info(i)['img_path']).name for i in range(len(built))]


@pytest.mark.parametrize('kind', CONFIGS)
def test_the_parts_are_the_whole(kind, data):
    whole = DATASETS.build(dataset(kind, data))
    whole.full_init()
    every = [Path(whole.get_data_info(i)['img_path']).name for i in range(len(whole))]
    train, held_out = (names(kind, data, part) for part in ('train', 'held_out'))
    assert train and held_out and not set(train) & set(held_out)
    assert sorted(train + held_out) == sorted(every)
    assert train == [name for name in every if name in train]
    assert set(names(kind, data, 'held_out', 8)) <= set(held_out)


def test_a_filter_changes_nobodys_part(data):
    all_of = names('coco', data, 'held_out', filter_cfg=None)
    assert set(
        names('coco', data, 'held_out', filter_cfg=dict(filter_empty_gt=True, min_size=32))
    ) <= set(all_of)
    assert not set(all_of) & set(names('coco', data, 'train'))


def test_mistakes(data):
    with pytest.raises(UsageError, match="part = 'test', allowed: 'train', 'held_out'"):
        names('ade20k', data, 'test')
    with pytest.raises(UsageError, match='every = 1, expected at least 2'):
        names('ade20k', data, 'train', 1)
    with pytest.raises(UsageError, match='none of 24 images is left'):
        names('ade20k', data, 'held_out', 10**9)


def test_weights_to_begin_with(tmp_path):
    backbone = dict(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'no.pth')))
    cfg = Config(dict(model=dict(model=dict(backbone=backbone))))
    with pytest.raises(UsageError, match=r'no\.pth do not exist \(model.model.backbone.init_cfg'):
        check_pretrained(cfg)
    (tmp_path / 'no.pth').touch()
    check_pretrained(cfg)
    backbone['init_cfg']['checkpoint'] = 'https://example.org/weights.pth'
    check_pretrained(Config(dict(model=dict(backbone=backbone))))
