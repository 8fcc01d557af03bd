"""Latency tables: every block is known or interpolated, sums are right, files fit their task."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from nasvit_mm.backbones import Block
from nasvit_mm.dense import SearchedModel, build_model
from nasvit_mm.deploy import LatencyTable, build_latency_table, latency
from nasvit_mm.errors import UsageError
from nasvit_mm.search import Problem, build_algorithm
from nasvit_mm.search.problem import sources
from tests.commands import ROOT
from tests.families import small
from tests.test_search.common import TASKS

SIZE = (64, 96)


def task(space: str) -> SearchedModel:
    return SearchedModel(Config.fromfile(ROOT / f'configs/seg/{TASKS[space]}.py'), small(space))


def block_time(block: Block) -> float:
    """Milliseconds of a device whose time goes by products of a block's widths."""
    numbers = [number for _, number in block.sizes]
    return len(block.place) + 1e-3 * sum(numbers) + 1e-5 * numbers[0] * numbers[-1]


class Device(latency._Stopwatch):
    """In the place of the real one: times by formula, no noise."""

    def __init__(self, task, images, rounds) -> None:
        self.task, self.size = task, tuple(images.shape[2:])

    def measure(self, arch):
        blocks = [block_time(block) for block in self.task.net.blocks_of(arch)]
        head = self.task.head(self.task.space.genes([arch]), self.size).macs[0]
        return 5 + 30 * head / 1e9 + sum(blocks), blocks


@pytest.mark.parametrize('space', TASKS)
def test_a_device_of_known_times(space, monkeypatch):
    """Also of networks that it has not seen, whose blocks are partly new."""
    monkeypatch.setattr(latency, '_Stopwatch', Device)
    of = task(space)
    table = build_latency_table(of, SIZE, networks=40)
    assert table.check['networks'] == 30
    assert table.check['kendall_tau'] > 0.98 and table.check['mean_error'] < 0.01
    assert table.check['repeat_tau'] == pytest.approx(1) and table.check['repeat_error'] == 0
    arch = of.space.smallest
    found = table.milliseconds(of.space.genes([arch, of.space.largest]))
    assert found[0] == pytest.approx(
        Device(of, torch.zeros(1, 3, *SIZE), 1).measure(arch)[0], rel=0.02
    )
    assert found[0] < found[1]


def test_a_device_that_does_not_repeat_itself(monkeypatch):
    """The table says so, and how much of its own error that may be."""

    class Noisy(Device):
        def __init__(self, *args) -> None:
            super().__init__(*args)
            self.noise = np.random.default_rng(0)

        def measure(self, arch):
            total, blocks = super().measure(arch)
            return total * (1 + 0.1 * self.noise.standard_normal()), blocks

    monkeypatch.setattr(latency, '_Stopwatch', Noisy)
    of = task('nasvit')
    seen = []
    check = build_latency_table(of, SIZE, networks=40, progress=lambda *at: seen.append(at)).check
    assert 0.06 < check['repeat_error'] < 0.2 and check['repeat_tau'] < check['kendall_tau']
    assert seen == [(i + 1, 100) for i in range(100)]


@pytest.mark.parametrize(('name', 'space'), list(zip(['random', 'nasvit'] * 2, TASKS)))
def test_a_latency_beside_another_bound(name, space, monkeypatch):
    """The smallest and the largest, with which searches begin, meet the first bound both not."""
    monkeypatch.setattr(latency, '_Stopwatch', Device)
    of = task(space)
    table = build_latency_table(of, SIZE, networks=12, unseen=0)
    genes = of.space.sample_genes(0, 400)
    genes = genes[of.space.usable(genes)]
    low, high = np.quantile(of.total(genes, SIZE).macs, [0.3, 0.7])
    both = Problem(
        of.space,
        ['score'],
        [
            dict(metric='macs', low=low, high=high),
            dict(metric='latency', high=float(np.median(table.milliseconds(genes)))),
            dict(metric='head.macs', low=1),
        ],
        of,
        SIZE,
        table,
    )
    assert not both.feasible(of.space.genes([of.space.smallest, of.space.largest])).any()
    by = build_algorithm(dict(type=name, population=8, initial=['largest']), both, 0)
    assert both.feasible(by.ask()).all()


@pytest.mark.parametrize('space', TASKS)
def test_every_block_of_a_forward_is_counted(space):
    """What ``blocks_of`` says is what runs, in its order."""
    of = task(space)
    for arch in [of.space.smallest, *of.space.sample(0, 2)]:
        model, seen = build_model(of.config(arch)), []
        model.backbone.run_block = lambda block, x, *args, seen=seen: (
            seen.append(next(a for a in args if hasattr(a, '_asdict'))),
            block(x, *args),
        )[1]
        with torch.no_grad():
            model.backbone(torch.zeros(1, 3, *SIZE))
        expected = [block.sizes for block in of.net.blocks_of(arch)]
        assert [Block.of('', plan).sizes for plan in seen] == expected


def test_a_real_device(tmp_path):
    of = task('nasvit')
    table = build_latency_table(of, SIZE, networks=3, unseen=2, rounds=2)
    assert table.check['networks'] == 2 and min(table.blocks.values()) > 0
    assert table.milliseconds(of.space.genes([of.space.largest]))[0] > 1
    table.save(tmp_path / 'table.json')
    again = LatencyTable.load(tmp_path / 'table.json', task('nasvit'), SIZE)
    genes = of.space.uniform_genes(0, 20)
    assert (again.milliseconds(genes) == table.milliseconds(genes)).all()
    assert again.digest == table.digest


@pytest.fixture(scope='module')
def table():
    """A table's text, which is made once."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(latency, '_Stopwatch', Device)
        build_latency_table(task('nasvit'), SIZE, networks=20).save(Path(folder, 'table.json'))
        return Path(folder, 'table.json').read_text()


@pytest.fixture
def file(table, tmp_path):
    (tmp_path / 'table.json').write_text(table)
    return tmp_path / 'table.json'


def test_latency_as_metric(file):
    of = task('nasvit')
    table = LatencyTable.load(file, of, SIZE)
    half = float(np.median(table.milliseconds(of.space.uniform_genes(0, 100))))
    problem = Problem(
        of.space,
        ['latency', dict(metric='macs', goal='max')],
        [dict(metric='latency', high=half)],
        of,
        SIZE,
        table,
    )
    genes = problem.sample(np.random.default_rng(0), 30)
    assert (table.milliseconds(genes) <= half).all()
    assert problem.needed_metrics == []
    with pytest.raises(UsageError, match='latency at most 0.1: the space reaches from'):
        Problem(of.space, ['macs'], [dict(metric='latency', high=0.1)], of, SIZE, table)
    with pytest.raises(UsageError, match="the metric 'latency' needs a table of your device"):
        Problem(of.space, ['latency'], [], of, SIZE)


def test_a_search_by_a_table_that_predicts_nothing_is_warned(file, monkeypatch):
    content = json.loads(file.read_text())
    of, lines = task('nasvit'), []
    monkeypatch.setattr(sources, 'print_log', lambda text, *args: lines.append(text))

    def said() -> str:
        lines.clear()
        costs = dict(ms=dict(type='LatencyCost', table=str(file)))
        Problem(of.space, ['ms'], [], of, SIZE, costs=costs)
        return ' '.join(lines)

    assert not said()
    content['check']['repeat_tau'] = 0.5
    file.write_text(json.dumps(content))
    assert 'this machine is too busy: do not search with it' in said()


def test_a_table_of_a_detector_with_another_head(tmp_path, monkeypatch):
    monkeypatch.setattr(latency, '_Stopwatch', Device)

    def detector(**head) -> SearchedModel:
        cfg = Config.fromfile(ROOT / 'configs/det/nasvit_coco.py')
        cfg.model.bbox_head.update(head)
        return SearchedModel(cfg, small('nasvit'))

    build_latency_table(detector(), (128, 128), networks=3, unseen=0).save(tmp_path / 'table.json')
    LatencyTable.load(
        tmp_path / 'table.json', detector(loss_bbox=dict(type='SmoothL1Loss')), (128, 128)
    )
    with pytest.raises(UsageError, match='is of another model'):
        LatencyTable.load(tmp_path / 'table.json', detector(stacked_convs=1), (128, 128))


def test_tables_of_something_else(file, tmp_path):
    with pytest.raises(UsageError, match='is of another input_size: .64, 96., here .64, 64.'):
        LatencyTable.load(file, task('nasvit'), (64, 64))
    other = task('nasvit')
    other.cfg.model.decode_head.channels = 96
    with pytest.raises(UsageError, match='is of another model'):
        LatencyTable.load(file, other, SIZE)
    with pytest.raises(UsageError, match='is of another space'):
        LatencyTable.load(file, task('elasticvit'), SIZE)
    with pytest.raises(UsageError, match='does not exist: tools/benchmark.py'):
        LatencyTable.load(tmp_path / 'none.json', other, SIZE)
    (tmp_path / 'list.json').write_text(json.dumps(dict(blocks={})))
    with pytest.raises(UsageError, match='is no latency table'):
        LatencyTable.load(tmp_path / 'list.json', other, SIZE)


def without(key):
    def change(table):
        del table[key]

    return change


def put(value, *keys):
    def change(table):
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (without('blocks'), r"holds \['about', 'check', 'rest'\], expected about"),
        (put(1, 'extra'), "holds .*'extra'.*, expected about"),
        (put([], 'blocks'), r'blocks is \[\], expected a mapping'),
        (put(None, 'about'), 'about is None, expected a mapping'),
        (put({}, 'blocks'), 'blocks is empty'),
        (put({'x': 1.0}, 'blocks'), r"blocks\['x'\]: expected a key like"),
        (put({'x(a=1)': 1.0, 'x(a=1, b=2)': 1.0}, 'blocks'), 'other blocks of x have 1 sizes'),
        (put({'x(a=1)': '1'}, 'blocks'), r"blocks\['x\(a=1\)'\] = '1', expected a number"),
        (put({'x(a=1)': float('nan')}, 'blocks'), 'nan, expected a number'),
        (put({'x(a=1)': -1.0}, 'blocks'), '-1.0, expected a number, above 0'),
        (put({'x(a=1)': [1]}, 'blocks'), r'\[1\], expected a number'),
        (put(float('inf'), 'rest', ''), r"rest\[''\] = inf"),
        (put({'head': 1.0}, 'rest'), "rest has no ''"),
        (put(1.0, 'rest', 'hea'), 'of this version: rest = .hea.'),
        (put('a', 'check', 'kendall_tau'), "check.kendall_tau = 'a', expected a number"),
        (put({}, 'about'), 'about has no space'),
        (put('64', 'about', 'input_size'), r"about.input_size = '64', expected \[height"),
        (put('nasvti', 'about', 'space'), 'about.space: unknown space'),
        (put(5, 'about', 'space'), 'about.space: '),
        (put({'backbone': 1}, 'about', 'model'), 'is of another model: '),
    ],
)
def test_a_malformed_table_is_one_sentence(change, said, file):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=said) as caught:
        LatencyTable.load(file, task('nasvit'), SIZE)
    assert str(file) in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('text', ['', '{"about": {', '[]', '5', 'null', '\0', '[' * 100000])
def test_a_file_that_is_no_table(text, tmp_path):
    path = tmp_path / 'table.json'
    path.write_text(text)
    with pytest.raises(UsageError, match=r'table.json is no latency table: ') as caught:
        LatencyTable.load(path, task('nasvit'), SIZE)
    assert '\n' not in str(caught.value)
