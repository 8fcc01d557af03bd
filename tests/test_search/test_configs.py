"""Search configs: everything but the supernet's weights is there, and the docstring is true."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from nasvit_mm import get_space
from nasvit_mm.config import plain_types
from nasvit_mm.dense import SearchedModel, inner_model, standalone
from nasvit_mm.deploy import build_latency_table, latency
from nasvit_mm.errors import UsageError
from nasvit_mm.search import front, read_search, read_task
from nasvit_mm.search.problem import idle_genes as members
from nasvit_mm.spaces import TASK_GENES
from tests.commands import ROOT
from tests.test_deploy.test_latency import Device
from tests.test_search.common import problem, run

CONFIGS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ('search/*.py', 'demo/*_search.py')
    for path in (ROOT / 'configs').glob(pattern)
)


@pytest.mark.parametrize('name', CONFIGS)
def test_it_asks_for_what_its_task_can_be(name, tmp_path, monkeypatch):
    path = ROOT / name
    text = ast.get_docstring(ast.parse(path.read_text()))
    cfg = Config.fromfile(path)
    cfg.pop('initial', None)  # out of a checkpoint
    if cfg.get('latency'):
        monkeypatch.setattr(latency, '_Stopwatch', Device)
        task, size = read_task(cfg, path)
        build_latency_table(task, size, networks=8, unseen=0).save(tmp_path / 'table.json')
        cfg.latency = str(tmp_path / 'table.json')
    plan = read_search(cfg, path)
    genes = plan.algorithm.ask()
    assert len(genes) == plan.algorithm.population and plan.problem.feasible(genes).all()
    (evaluator,) = plan.evaluators
    supernet = evaluator.options['config']
    assert (ROOT / supernet).is_file() and supernet in text or cfg.get('latency')
    assert f'tools/search.py {name}' in text
    reach = re.search(r'reach\s+from ([\d.]+) to ([\d.]+) G', text)
    if reach:
        space = plan.problem.space
        ends = (
            plan.problem.task.total(
                space.genes([space.smallest, space.largest]), plan.problem.input_size
            ).macs
            / 1e9
        )
        assert np.allclose(ends, [float(g) for g in reach.groups()], rtol=0.02)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(evaluator='SupernetEvaluator'),
            r"evaluator = 'SupernetEvaluator', expected dict\(type",
        ),
        (dict(evaluator=dict(type='SupernetEvaluator')), 'SupernetEvaluator: .*checkpoint'),
        (dict(evaluator=dict(type='Oracle')), "evaluator type = 'Oracle', allowed: .*Supernet"),
        (dict(evaluator=dict(type='json.dumps')), "'json.dumps' is no subclass of SubnetEval"),
        (dict(algorithm='nsga2'), r"algorithm = 'nsga2', expected dict\(type=name"),
        (dict(task=5), 'task = 5, expected a config file or a mapping'),
        (dict(initial=dict(resolution=192)), 'initial = .*, expected a list of architectures'),
        (
            dict(
                latency='none.json', task=str(ROOT / 'configs/seg/nasvit_ade20k.py'), input_size=512
            ),
            'the latency table none.json .* does not exist',
        ),
        (dict(initial='setup.py'), 'setup.py cannot be read as a checkpoint'),
        (dict(initial='nowhere.pth'), 'nowhere.pth'),
        (dict(seed=-1), 'seed = -1, expected a whole number'),
    ],
)
def test_mistakes(changes, message):
    cfg = dict(space='nasvit', objectives=['accuracy/top1'], algorithm=dict(type='random'))
    with pytest.raises(UsageError, match=message):
        read_search(Config(dict(cfg, **changes)))


def test_an_archive_begins_another_search(tmp_path):
    """With its front, the ends of that first, though a later generation found it; its last line may
    be on its way, and what failed is not worth a beginning.
    """
    of = problem()
    records = run(tmp_path, identity=dict(objectives=[o._asdict() for o in of.objectives]))
    path = tmp_path / 'archive.jsonl'
    lines = path.read_text().splitlines()
    lines[1] = json.dumps(dict(records[0], metrics={}, failed='score = nan'))
    path.write_text('\n'.join(lines)[:-9])
    plan = read_search(
        Config(
            dict(
                space='nasvit',
                objectives='macs',
                initial=str(path),
                algorithm=dict(type='random', population=40),
            )
        )
    )
    space = plan.problem.space
    best = front(of, records[1:-1])
    assert {r['generation'] for r in best} != {0}

    def genes(of_records: list[dict]) -> list[tuple[int, ...]]:
        return [tuple(row) for row in space.genes([space.arch(r['arch']) for r in of_records])]

    asked = [tuple(row) for row in plan.algorithm.ask()]
    assert set(asked[: len(records) - 2]) == set(genes(records[1:-1]))
    assert set(asked[: len(best)]) == set(genes(best))
    assert set(asked[:2]) == set(genes([best[0], best[-1]]))


CLIPPED = dict(
    model=dict(
        type='nasvit_mm.Supernet',
        clip_grad=1.0,
        data_preprocessor=dict(type='Given'),
        model=dict(type='EncoderDecoder'),
    ),
    optim_wrapper=dict(type='OptimWrapper', clip_grad=None),
)


@pytest.mark.parametrize(
    ('changes', 'clip', 'preprocessor'),
    [
        ({}, dict(max_norm=1.0), 'Given'),
        ({'model.clip_grad': None}, None, 'Given'),
        (
            {'optim_wrapper.clip_grad': dict(_delete_=True, max_norm=5.0)},
            dict(max_norm=5.0),
            'Given',
        ),
        ({'model.model.data_preprocessor': dict(type='Own')}, dict(max_norm=1.0), 'Own'),
        (
            {'model.data_preprocessor': None, 'data_preprocessor': dict(type='Beside')},
            dict(max_norm=1.0),
            'Beside',
        ),
    ],
)
def test_what_a_subnet_inherits(changes, clip, preprocessor):
    """The limit that the supernet kept itself, and the preprocessor wherever it is given."""
    cfg = Config(CLIPPED)
    cfg.merge_from_dict(changes)
    alone = standalone(cfg)
    assert alone.optim_wrapper.clip_grad == clip
    assert alone.model.data_preprocessor.type == preprocessor
    assert alone.model == inner_model(cfg) and 'data_preprocessor' not in CLIPPED['model']['model']


def test_a_config_of_no_task():
    with pytest.raises(UsageError, match='none of this project'):
        read_task(Config(dict(model=dict(backbone=dict(type='ResNet')))))
    with pytest.raises(UsageError, match='the search config has no task'):
        read_task(Config(dict(space='nasvit')))


def test_there_are_configs():
    assert 'configs/search/nasvit_ade20k_5g_search.py' in CONFIGS
    assert all(Path(ROOT, name).is_file() for name in CONFIGS)


@pytest.mark.parametrize('name', CONFIGS)
def test_no_picture_is_trained_on_and_chosen_by(name):
    """The supernet leaves out as many of each class as the search looks at, or it is another
    split.
    """
    evaluator = Config.fromfile(ROOT / name).evaluator
    cfg = Config.fromfile(ROOT / evaluator.config)
    split = evaluator.get('split') or ('held_out' if cfg.get('held_out_dataloader') else 'val')
    cfg.merge_from_dict({f'{split}_dataloader': dict(evaluator.get('dataloader', {}))})
    train, looked_at = (cfg[f'{of}_dataloader'].dataset for of in ('train', split))
    if looked_at.type == 'nasvit_mm.SplitDataset':
        assert (train.part, looked_at.part) == ('train', 'held_out')
        assert looked_at.every % train.every == 0  # a subset of what is held out
    elif looked_at.get('split') == 'train':
        assert 0 < looked_at.num_per_class <= -train.num_per_class  # of the first ones
    else:
        assert looked_at.get('split', 'val') == 'val'


@pytest.mark.parametrize('name', CONFIGS)
def test_no_gene_is_free(name):
    """What costs a dense model nothing is no part of it, and a classifier's accuracy rises with it:
    every gene that is searched changes a cost of the whole model.
    """
    problem = read_search(_offline(Config.fromfile(ROOT / name)), ROOT / name).problem
    space = problem.space
    base = space.genes([space.largest, *space.sample_usable(0, 4)])
    for gene, (label, choices) in enumerate(zip(space.labels, space.choices)):
        rows = np.repeat(base, len(choices), 0)
        rows[:, gene] = np.tile(np.arange(len(choices)), len(base))
        cost = problem.task.total(rows, problem.input_size)
        pairs = np.stack([cost.macs, cost.params]).reshape(2, len(base), -1)
        assert len(choices) == 1 or np.ptp(pairs, axis=2).any(), label


def test_genes_of_the_task_are_shown_and_are_the_supernets():
    """Each is in some config, one of the demo among them."""
    shown = {}
    for name in CONFIGS:
        cfg = Config.fromfile(ROOT / name)
        space, supernet = get_space(plain_types(cfg.space)), cfg.evaluator.get('config')
        model = inner_model(Config.fromfile(ROOT / supernet)) if supernet else {}
        if 'backbone' in model:  # trained in the task
            own = get_space(plain_types(model.backbone.get('space', space.name)))
            assert own.task == space.task, name
        shown[name] = {field.name for field in space.task}
    assert set().union(*shown.values()) == set(TASK_GENES)
    assert shown['configs/demo/nasvit_dense_search.py']


IDLE = dict(
    task=str(ROOT / 'configs/seg/nasvit_ade20k.py'),
    input_size=[64, 64],
    objectives=['macs'],
    algorithm=dict(type='random', population=4),
)


def test_what_the_model_does_not_build_is_not_searched(monkeypatch):
    """A head's last convolution; of four outputs also the last stage.  The largest choice stays."""
    said, whole = [], get_space('nasvit')
    monkeypatch.setattr(members, 'print_log', lambda text, *_: said.append(text))

    def fixed(**changes) -> list[str]:
        space = read_search(Config(dict(IDLE, space='nasvit', **changes))).problem.space
        assert space.largest == whole.largest
        return [
            label
            for label, ours, theirs in zip(space.labels, space.choices, whole.choices)
            if ours != theirs
        ]

    assert fixed() == ['width[last]']
    assert 'not searched: width[last] = 1984' in said[0] and 'fix it, space = dict(' in said[1]
    task = Config.fromfile(IDLE['task'])
    task.model.backbone.out_indices = (0, 1, 2, 3)
    task.model.decode_head.in_index = [0, 1, 2, 3]
    assert fixed(task=dict(model=task.model.to_dict(), default_scope='mmseg')) == [
        'width[mb7]',
        'width[last]',
        'depth[mb7]',
    ]


@pytest.mark.parametrize(
    ('space', 'task', 'idle'),
    [
        ('nasvit', 'nasvit_ade20k', {'resolution', 'width[last]'}),
        ('elasticvit', 'elasticvit_ade20k', {'resolution'}),
        ('vitas_twins', 'vitas_ade20k', {'resolution'}),
        # The number of heads costs nothing there, and is a part of the network.
        *(
            (space, 'vitas_deit_ade20k', {'resolution'})
            for space in ('vitas_deit_small', 'vitas_deit_block', 'vitas_deit_base')
        ),
    ],
)
def test_which_genes_are_idle(space, task, idle):
    task = SearchedModel(Config.fromfile(ROOT / f'configs/seg/{task}.py'), get_space(space))
    assert task.idle((64, 96)) == idle


def test_a_search_by_costs_of_the_classifier_keeps_its_genes():
    cfg = dict(IDLE, space=dict(space='nasvit', restrict=dict(resolution=[224])))
    for metric, fixed in (('params', True), ('classifier.params', False)):
        plan = read_search(Config(dict(cfg, constraints=dict(metric=metric, low=1))))
        choices = plan.problem.space.field('width').choices[-1]
        assert choices == ((1984,) if fixed else (1792, 1984))


def test_a_picture_too_small_for_the_task():
    with pytest.raises(UsageError, match=r'input_size = \(16, 16\)'):
        read_search(Config(dict(IDLE, space='nasvit', input_size=[16, 16])))


def test_named_architectures_take_over_what_is_fixed(tmp_path):
    """As those of an archive do: they are the same dense network."""
    cfg = dict(IDLE, space=dict(space='nasvit', restrict=dict(resolution=[224])))
    plan = read_search(Config(dict(cfg, initial=['nasvit_min', 'nasvit_max'])))
    first, last = plan.identity['initial']
    assert first == {
        **get_space('nasvit').named['nasvit_min'].to_dict(),
        'resolution': 224,
        'width': [*get_space('nasvit').named['nasvit_min']['width'][:-1], 1984],
    }
    assert last['resolution'] == 224
    path = tmp_path / 'arch.json'  # of another restricted space
    path.write_text(json.dumps(get_space('nasvit').restrict(resolution=64).smallest.to_dict()))
    plan = read_search(Config(dict(cfg, initial=[str(path)])))
    assert plan.identity['initial'][0]['resolution'] == 224
    cfg['space']['restrict']['depth'] = dict(mb7=[4])
    with pytest.raises(UsageError, match=r'initial: .*depth\[mb7\] = 3 is not in the space'):
        read_search(Config(dict(cfg, initial=['nasvit_min'])))


def _offline(cfg: Config) -> Config:
    """Without what comes out of a run."""
    cfg.pop('initial', None)
    if cfg.pop('latency', None):
        cfg.objectives = [dict(metric='macs')]
        cfg.algorithm.pop('bins')
    return cfg


def test_initial_architectures_take_over_the_resolution(tmp_path):
    """Of an archive over the whole space; none of another space, and it says so."""
    whole = get_space('nasvit')
    lines = [
        dict(objectives=[dict(metric='macs', goal='min')]),
        *(
            dict(
                index=i,
                generation=0,
                arch=whole.sample(i).to_dict(),
                metrics={},
                costs=dict(macs=i),
            )
            for i in range(3)
        ),
    ]
    path = tmp_path / 'archive.jsonl'
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    cfg = dict(objectives=['macs'], algorithm=dict(type='random', population=4), initial=str(path))
    plan = read_search(
        Config(dict(cfg, space=dict(space='nasvit', restrict=dict(resolution=[64]))))
    )
    assert {a['resolution'] for a in plan.identity['initial']} == {64}
    assert len(plan.identity['initial']) == 3
    with pytest.raises(UsageError, match='initial: .*resolution = 288 is not in the space'):
        # Of a classifier, whose resolution matters, one that is named is not changed.
        read_search(
            Config(
                dict(
                    cfg,
                    initial=['nasvit_max'],
                    space=dict(space='nasvit', restrict=dict(resolution=[192])),
                )
            )
        )
    with pytest.raises(UsageError, match='of 3 architectures of .*archive.jsonl 0 are in'):
        read_search(Config(dict(cfg, space='elasticvit')))
