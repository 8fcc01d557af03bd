"""A key that nothing reads is refused, and what stands under the others is of the right kind."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from mmengine.config import Config

from nasvit_mm.cli.common import add_cfg_options
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import check_has_model, check_trains, read_config
from nasvit_mm.search import read_search
from tests.commands import ROOT

CAMVID = ROOT / 'configs/seg/nasvit_camvid.py'


@pytest.mark.parametrize(
    ('key', 'said'),
    [
        ('trian_cfg.max_iters', 'train_cfg'),
        ('modle.backbone.arch', 'model'),
        ('data_root', r'train_dataloader\.dataset\.data_root=x'),
        ('crop_size', r'train_dataloader\.dataset\.pipeline\.4\.crop_size=x'),
        ('', 'nothing reads an empty key'),
    ],
)
def test_an_override_that_nothing_reads(key: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_config(CAMVID, {key: 'x'})


def test_the_remedy_for_a_variable_works() -> None:
    with pytest.raises(UsageError) as caught:
        read_config(CAMVID, {'data_root': 'elsewhere'})
    remedy = str(caught.value).split('--cfg-options ')[-1].split()
    cfg = read_config(CAMVID, dict(each.split('=') for each in remedy))
    for split in ('train', 'val', 'test'):
        assert cfg[f'{split}_dataloader'].dataset.data_root == 'elsewhere'


@pytest.mark.parametrize('key', ['trian_cfg', 'optim_wraper', 'param_schedulers'])
def test_a_misspelt_key_of_a_file(key: str, tmp_path: Path) -> None:
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = {str(CAMVID)!r}\n{key} = dict(max_iters=1)\n')
    with pytest.raises(UsageError, match=f'nothing reads {key} .did you mean'):
        read_config(path)


@pytest.mark.parametrize(
    'path', sorted((ROOT / 'configs').glob('[a-z]*/*.py')), ids=lambda p: p.stem
)
def test_no_config_of_ours_has_one(path: Path) -> None:
    read_config(path)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('model', 3),
        ('randomness', None),
        ('env_cfg', None),
        ('train_dataloader', 5),
        ('val_evaluator', None),
        ('custom_hooks', 7),
        ('log_level', 'FOO'),
        ('load_from', 5),
        ('train_dataloader.dataset', None),
    ],
)
def test_values_of_another_kind(key: str, value: object) -> None:
    with pytest.raises(UsageError, match=key.partition('.')[0]):
        read_config(CAMVID, {key: value})


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('model.test_cfg', dict(mod='slide'), 'test_cfg has mod .did you mean mode'),
        ('model.train_cfg', dict(foo=1), 'train_cfg has foo, which nothing reads'),
        ('model.data_preprocessor.test_cfg', dict(size_diviser=32), 'did you mean size_divisor'),
        ('param_scheduler.7.end', 3, 'param_scheduler is a list, whose entries are 0 to 1; give'),
        ('param_scheduler.one.end', 3, 'param_scheduler is a list, whose entries are 0 to 1; give'),
        ('work_dir.a', 3, "work_dir = 'x', which has nothing below it; give work_dir="),
        ('train_dataloader.batch_size.a', 3, 'batch_size = .*, which has nothing below it'),
        ('param_scheduler.0', 'x', 'an entry of a list that is no dict cannot be given alone'),
        ('custom_imports', '=', r"custom_imports = '=', expected dict\(imports=\[module"),
        ('custom_imports', dict(imports=5), 'custom_imports = .*5.*, expected'),
    ],
)
def test_a_key_in_the_wrong_place(key: str, value: object, said: str) -> None:
    cfg = Config.fromfile(CAMVID)
    cfg.work_dir = 'x'
    with pytest.raises(UsageError, match=said):
        read_config(cfg, {key: value})


@pytest.mark.parametrize('key', ['model.backbone.arch', 'model', 'train_cfg.max_iters'])
def test_a_key_of_a_model_for_a_search(key: str) -> None:
    cfg = read_config(ROOT / 'configs/search/nasvit_ade20k_5g_search.py', {key: 'x'})
    with pytest.raises(UsageError, match=rf'evaluator\.cfg_options\.{key.partition(".")[0]}'):
        read_search(cfg)


def test_configs_of_another_kind() -> None:
    search = read_config(ROOT / 'configs/search/nasvit_ade20k_5g_search.py')
    with pytest.raises(UsageError, match='is the config of a search, which nasvit-mm search'):
        check_has_model(search)
    with pytest.raises(UsageError, match='has no train_dataloader and no train_cfg'):
        check_trains(Config(dict(model=dict(type='X'), optim_wrapper=dict(type='Y'))))


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ("a=[{'metric': 'macs', 'goal': 'min'}]", [dict(metric='macs', goal='min')]),
        ("a=[dict(metric='macs'), 'params']", [dict(metric='macs'), 'params']),
        ('a=[1,2]', [1, 2]),
        ('a=1e-3', 1e-3),
        ('a=b=c', 'b=c'),
    ],
)
def test_overrides_of_a_command_line(text: str, value: object) -> None:
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    assert parser.parse_args(['--cfg-options', text]).cfg_options == {'a': value}


@pytest.mark.parametrize('text', ['garbage', '=1', 'a={', 'a=[(1', 'a={x: 1}'])
def test_overrides_that_are_none(text: str) -> None:
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    with pytest.raises(UsageError, match='--cfg-options'):
        parser.parse_args(['--cfg-options', text])
