"""The export command that a search prints is run to the letter, whatever the search was given."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from nasvit_mm import apis
from nasvit_mm.cli import export, search
from nasvit_mm.errors import UsageError
from nasvit_mm.search import Search
from tests.commands import ROOT

CONFIG = """
space = dict(space='nasvit', restrict=dict(resolution=[64]))
task = './{{task}}.py'
input_size = (64, 64)
objectives = ['backbone.macs', dict(metric='backbone.params', goal='max')]
algorithm = dict(type='random', population=6, generations=1)
"""
BOUND = ['--high', 'backbone.macs=3.5e7']
PREDICTED = """
custom_imports = dict(imports=['tests.test_search.toy'])
objectives = [dict(metric='score'), 'backbone.macs']
evaluator = dict(type='Toy')
algorithm = dict(type='surrogate', population=6, batch=2, generations=2)
"""


@pytest.fixture
def config(tmp_path) -> Path:
    """A config whose task lies beside it, in a folder that a shell would take apart."""
    folder = tmp_path / "Eva's configs"
    folder.mkdir()
    task = f'_base_ = {str(ROOT / "configs/seg/nasvit_ade20k.py")!r}\n'
    (folder / '{{task}}.py').write_text(task)
    (folder / 'mine.py').write_text(CONFIG)
    return folder / 'mine.py'


def printed(capsys: pytest.CaptureFixture) -> list[str]:
    """The arguments of the export command that a search ends with."""
    line = capsys.readouterr().out.splitlines()[-1].partition('  # takes ')[0]
    program, command, *arguments = shlex.split(line)
    assert (program, command) == ('nasvit-mm', 'export')
    return arguments


def searched(config: Path, name: str, *arguments: str) -> Path:
    folder = config.parent / name
    search.main([str(config), '--work-dir', str(folder), *arguments])
    return folder


@pytest.mark.parametrize(
    'arguments',
    [[], BOUND, ['--cfg-options', 'seed=4', 'algorithm.type=nsga2', 'objectives=backbone.macs']],
)
def test_the_printed_command(config, arguments, capsys) -> None:
    folder = searched(config, 'found', *arguments)
    command = printed(capsys)
    export.main(command)
    best = min(Search.load(folder).records, key=lambda r: r['costs']['backbone.macs'])
    (out,) = folder.glob(f'export_{best["index"]}')
    assert json.loads((out / 'arch.json').read_text()) == best['arch']
    data = (folder / 'report.html').read_text().split('id="data">')[1].split('</script>')[0]
    assert shlex.split(json.loads(data)['command']) == ['nasvit-mm', 'export', *command]


def test_the_printed_command_of_an_extended_search(config, capsys) -> None:
    first = searched(config, 'first')
    given = ['--from', str(first), '--extend', '--cfg-options', 'seed=2']
    more = searched(config, 'more', *given, *BOUND)
    command = printed(capsys)
    first.rename(first.with_name('moved'))  # what it began with is in its own config
    export.main(command)
    assert list(more.glob('export_*/config.py'))
    with pytest.raises(UsageError, match=r'constraints, initial, seed differ .* or the config of'):
        export.main([str(config), '--work-dir', str(more), '--from-scratch'])


def test_one_whose_predictor_knew_more(config, capsys) -> None:
    config.write_text(CONFIG + PREDICTED)
    first = searched(config, 'first')
    more = searched(config, 'more', '--from', str(first), '--extend', *BOUND)
    export.main(printed(capsys))
    assert list(more.glob('export_*/config.py'))


def test_a_search_of_a_mapping_can_be_exported_too(config, tmp_path, capsys) -> None:
    cfg = dict(
        space='nasvit',
        task=str(ROOT / 'configs/seg/nasvit_ade20k.py'),
        input_size=64,
        objectives=['backbone.macs'],
        algorithm=dict(type='random', population=2, generations=1),
    )
    apis.run_search(cfg, tmp_path / 'found')
    export.main(printed(capsys))
    assert list(tmp_path.glob('found/export_*/config.py'))


@pytest.mark.parametrize('without', ['task', 'file'])
def test_no_command_where_there_is_nothing_to_export(without, tmp_path, capsys) -> None:
    """Of a classifier there is no model to train, of a function no file tells what it is."""
    cfg = dict(
        space='nasvit',
        objectives=['macs'],
        algorithm=dict(type='random', population=2, generations=1),
    )
    if without == 'file':
        cfg |= dict(task=str(ROOT / 'configs/seg/nasvit_ade20k.py'), input_size=64)
        cfg |= dict(costs=dict(steps=lambda values: values['depth'].sum(1)), objectives=['steps'])
    apis.run_search(cfg, tmp_path / 'found')
    assert 'nasvit-mm export' not in capsys.readouterr().out
