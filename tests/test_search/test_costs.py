"""A cost of one's own: objective, constraint, part of the archive's identity; its mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from nasvit_mm import get_space
from nasvit_mm.deploy import build_latency_table, latency
from nasvit_mm.errors import UsageError
from nasvit_mm.search import (
    Archive,
    Problem,
    front,
    front_table,
    read_search,
    read_task,
    search,
    write_report,
)
from tests.commands import ROOT
from tests.test_search.own_costs import channels

CONFIG = """
custom_imports = dict(imports=['tests.test_search.own_costs'])
space = dict(space='nasvit', restrict=dict(resolution=[192]))
objectives = ['energy', dict(metric='macs', goal='max')]
constraints = [dict(metric='energy', high={high})]
costs = dict(energy=dict(type='ChannelEnergy', per_channel={per_channel}))
algorithm = dict(type='random', population=6, generations=2)
"""


class Device(latency._Stopwatch):
    """In the place of a real one: a millisecond a block."""

    def __init__(self, task, pictures, rounds) -> None:
        self.task = task

    def measure(self, arch) -> tuple[float, list[float]]:
        blocks = [1.0 for _ in self.task.net.blocks_of(arch)]
        return 5 + sum(blocks), blocks


SPACE = get_space('nasvit').restrict(resolution=[192])


def energies() -> np.ndarray:
    return np.sort(0.5 * channels(SPACE.columns(SPACE.uniform_genes(0, 200))))


def plan(folder: Path, high: float, per_channel: float = 0.5):
    path = folder / 'search.py'
    path.write_text(CONFIG.format(high=high, per_channel=per_channel))
    return read_search(Config.fromfile(path), path)


def run(folder: Path, of, resume: bool = False) -> list[dict]:
    return search(of.problem, of.algorithm, Archive.open(folder, of.identity, resume))


def test_a_cost_of_a_config_is_objective_and_constraint(tmp_path):
    high = float(energies()[100])
    of = plan(tmp_path, high)
    records = run(tmp_path / 'run', of)
    archs = [SPACE.arch(r['arch']) for r in records]
    assert [r['costs']['energy'] for r in records] == [0.5 * sum(a['width']) for a in archs]
    assert max(r['costs']['energy'] for r in records) <= high
    best = front(of.problem, records)
    assert best[0]['costs']['energy'] == min(r['costs']['energy'] for r in records)
    cells = front_table(of.problem, best).columns[1]._cells
    assert cells[0] == f'{best[0]["costs"]["energy"]:.6g} mJ'
    paths = write_report(tmp_path, of.problem, records, best, 'title', of.identity)
    assert '"energy": "mJ"' in paths[-1].read_text()


def test_its_identity_is_in_the_archive(tmp_path):
    high = float(energies()[150])
    run(tmp_path / 'run', plan(tmp_path, high))
    assert len(run(tmp_path / 'run', plan(tmp_path, high), resume=True)) == 12
    with pytest.raises(UsageError, match='costs.energy.per_channel = 0.5, now 0.25'):
        run(tmp_path / 'run', plan(tmp_path, high, per_channel=0.25), resume=True)


def test_out_of_reach_it_is_explained_with_its_unit(tmp_path):
    with pytest.raises(UsageError, match=r'energy at most 1: the space reaches from \d+ to .* mJ$'):
        plan(tmp_path, 1)


@pytest.mark.parametrize(
    'given',
    [
        channels,
        dict(type='FunctionCost', function='tests.test_search.own_costs:channels'),
        dict(type='FunctionCost', function=channels, unit='channels', slow=True),
    ],
)
def test_a_function_is_a_cost(given):
    high = 2 * float(energies()[100])
    of = Problem(SPACE, ['sum'], [dict(metric='sum', high=high)], costs=dict(sum=given))
    genes = of.sample(np.random.default_rng(0), 20)
    assert (of.costs(genes)['sum'] == channels(SPACE.columns(genes))).all()
    assert of.feasible(genes).all()
    assert of.own_costs['sum'].identity() == dict(function='tests.test_search.own_costs:channels')


@pytest.mark.parametrize(
    ('function', 'message'),
    [
        (lambda fields: fields['width'], r"'own' gives numbers of shape \(1, 9\) for 1 candidates"),
        (lambda fields: None, "the cost 'own' gives None for 1 candidates, expected numbers"),
        (lambda fields: ['a'], r"'own' gives \['a'\] for 1 candidates"),
        (lambda fields: np.full(len(fields['width']), np.nan), "'own' gives nan for candidate 0"),
    ],
)
def test_what_is_no_cost(function, message):
    with pytest.raises(UsageError, match=message):
        Problem(SPACE, ['own'], costs=dict(own=function))


@pytest.mark.parametrize(
    ('costs', 'message'),
    [
        (dict(own=5), r'costs.own = 5, expected dict\(type=name, ...\) or a function'),
        (dict(own=dict(type='FunctionCots')), 'did you mean FunctionCost.*custom_imports names'),
        (dict(own=dict(type='FunctionCost')), 'costs.own .FunctionCost.: .*function'),
        (dict(own=dict(type='FunctionCost', function='nowhere:f')), "'nowhere:f', expected 'modu"),
        (dict(own=dict(type='FunctionCost', function='channels')), "'channels', expected 'module"),
        ({1: channels}, 'costs: 1 is no name'),
        (dict(macs=channels), 'costs.macs: macs is a built-in cost'),
        (dict(latency=dict(type='LatencyCost', table='t.json')), 'latency is of a task at its'),
    ],
)
def test_mistakes(costs, message):
    with pytest.raises(UsageError, match=message):
        Problem(SPACE, ['macs'], costs=costs)


def test_a_slow_cost_is_asked_last():
    asked = []

    def slow(fields):
        asked.append(len(fields['width']))
        return channels(fields)

    macs = np.sort(Problem(SPACE, ['macs']).costs(SPACE.uniform_genes(0, 200))['macs'])
    cost = dict(type='FunctionCost', function=slow, slow=True)
    of = Problem(
        SPACE,
        ['macs'],
        [dict(metric='slow', low=1), dict(metric='macs', high=float(macs[20]))],
        costs=dict(slow=cost),
    )
    genes, asked[:] = SPACE.uniform_genes(1, 200), []
    assert 0 < of.feasible(genes).sum() == sum(asked) < 100


def test_latency_is_one_source_among_others(tmp_path, monkeypatch):
    """Its short form in a config, its place in the identity as archives have ever had it."""
    monkeypatch.setattr(latency, '_Stopwatch', Device)
    cfg = Config(
        dict(
            space=dict(space='nasvit', restrict=dict(resolution=[64])),
            task=str(ROOT / 'configs/seg/nasvit_ade20k.py'),
            input_size=[64, 96],
            objectives=['latency'],
            algorithm=dict(type='random'),
        )
    )
    table = build_latency_table(*read_task(cfg), networks=8, unseen=0)
    table.save(tmp_path / 'table.json')
    short = read_search(Config(dict(cfg, latency=str(tmp_path / 'table.json'))))
    source = dict(type='LatencyCost', table=str(tmp_path / 'table.json'))
    long = read_search(Config(dict(cfg, costs=dict(latency=source))))
    assert short.identity == long.identity and 'costs' not in short.identity
    assert short.identity['latency']['digest'] == table.digest
    assert short.problem.metrics['latency'].show(71.68) == '71.68 ms'
    twice = Config(dict(cfg, latency=source['table'], costs=dict(latency=source)))
    with pytest.raises(UsageError, match='latency is given twice'):
        read_search(twice)


@pytest.mark.parametrize(
    ('timed', 'warned'),
    [(('torch', 'fp32'), 1), (('openvino', 'fp32'), 1), (('openvino', 'int8'), 0)],
)
def test_metrics_and_latency_of_one_artefact(timed, warned, tmp_path, monkeypatch):
    """A front of int8 accuracies and float latencies is that of no artefact: that is said."""
    monkeypatch.setattr(latency, '_Stopwatch', Device)
    said = []
    monkeypatch.setattr('nasvit_mm.search.config.print_log', lambda text, *_: said.append(text))
    cfg = Config(
        dict(
            space=dict(space='nasvit', restrict=dict(resolution=[64])),
            task=str(ROOT / 'configs/seg/nasvit_ade20k.py'),
            input_size=[64, 96],
            objectives=[dict(metric='int8/mIoU', goal='max'), 'latency'],
            algorithm=dict(type='random'),
            evaluator=dict(
                type='ArtefactEvaluator', input_size=[64, 96], config='none.py', checkpoint='x.pth'
            ),
            latency=str(tmp_path / 'table.json'),
        )
    )
    table = build_latency_table(*read_task(cfg), networks=1, unseen=0)
    table.about.update(runtime=timed[0], precision=timed[1])
    table.save(tmp_path / 'table.json')
    read_search(cfg)
    assert len(said) == warned
    assert all(f'of {timed[0]} in {timed[1]}' in text for text in said)
