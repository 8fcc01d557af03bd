"""The verbs from Python: a training, its evaluation, a search by costs, a count."""

from __future__ import annotations

import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from nasvit_mm import apis
from nasvit_mm.errors import UsageError
from tests.commands import CONFIG, ROOT
from tests.test_fuzz import small_config

SEARCH = dict(
    space='nasvit',
    task=str(ROOT / 'configs/demo/nasvit_demo.py'),
    input_size=(64, 96),
    objectives=[dict(metric='params', goal='max'), 'macs'],
    constraints=[dict(metric='macs', high=1e8)],
    algorithm=dict(type='nsga2', population=8, generations=2),
)


class Planted:
    """Pickled, a command."""

    def __reduce__(self):
        return exec, ("open('ran', 'w')",)


@pytest.fixture(scope='module')
def task(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The demo's config over a few small images, for two steps, as overrides by dotted key."""
    from nasvit_mm.demo_data import write_ade20k

    root = tmp_path_factory.mktemp('apis') / 'ADEChallengeData2016'
    write_ade20k(root, 4, 2, height=64, width=64, progress=False)
    options = {
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 2,
        'train_dataloader.batch_size': 2,
    }
    for split in ('train', 'val', 'test'):
        options[f'{split}_dataloader.dataset.data_root'] = str(root)
        options[f'{split}_dataloader.num_workers'] = 0
    return options


def test_train_and_evaluate(task: dict[str, Any], tmp_path: Path) -> None:
    """The checkpoint is what was trained, and a Config that is given stays as it was."""
    cfg = Config.fromfile(ROOT / CONFIG)
    before = cfg.pretty_text
    runner = apis.train(cfg, work_dir=tmp_path / 'train', options=task, fit_schedule=True)
    found = apis.evaluate(
        cfg,
        tmp_path / 'train/iter_2.pth',
        work_dir=tmp_path / 'test',
        options=task,
        show_dir=tmp_path / 'shown',
    )
    assert {'aAcc', 'mIoU', 'mAcc'} <= found.keys() and 0 <= found['mIoU'] <= 100
    saved = torch.load(tmp_path / 'train/iter_2.pth', weights_only=False)['state_dict']
    trained = runner.model.state_dict()
    assert saved.keys() == trained.keys()
    assert all(torch.equal(value, trained[key]) for key, value in saved.items())
    assert cfg.pretty_text == before
    # A second run in one process has a visualizer of its own.
    assert len(list((tmp_path / 'shown/vis_data/vis_image').glob('*.png'))) == 2


def test_a_run_is_made_longer(
    task: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """By a schedule of the new length, from where it was; never by the one that has ended."""
    more = {'optim_wrapper.optimizer.lr': 1e-3, 'default_hooks.logger.interval': 1}
    given = dict(work_dir=tmp_path, options=task | more)
    apis.train(ROOT / CONFIG, fit_schedule=True, **given)
    shown = capsys.readouterr().out.splitlines()
    first = next(i for i, line in enumerate(shown) if 'Iter(train)' in line)
    assert first < 60, 'what is long is in the file alone'
    given['options'] |= {'train_cfg.max_iters': 6, 'optim_wrapper.optimizer.lr': 1e-2}
    with pytest.raises(UsageError, match='6 iterations: give --fit-schedule'):
        apis.train(ROOT / CONFIG, resume=True, **given)
    runner = apis.train(ROOT / CONFIG, resume=True, fit_schedule=True, **given)
    said = '\n'.join(path.read_text() for path in tmp_path.rglob('*.log'))
    assert re.search(r"optimizer\.lr +0\.001 +0\.01 +the checkpoint's", said)
    assert runner.iter == 6
    found = re.findall(r'Iter\(train\) \[(\d)/6\] .*? lr: ([\d.e+-]+)', said)
    rates = {int(place): float(rate) for place, rate in found}
    assert list(rates) == [3, 4, 5, 6] and rates[3] == 1e-3 > rates[4] > rates[5] > 1e-4


def test_training_of_a_large_set_from_nothing_is_warned_of(
    task: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mmengine.runner.Runner.train', lambda runner: None)
    for number, warned in ((5, False), (4, True)):  # there are four images
        monkeypatch.setattr('nasvit_mm.dense.weights.LARGE', number)
        folder = tmp_path / str(number)
        apis.train(ROOT / CONFIG, work_dir=folder, options=task, fit_schedule=True)
        said = ' '.join(path.read_text() for path in folder.rglob('*.log'))
        assert ('model.backbone begins with random weights, and 4 training' in said) is warned


def test_fine_tuning_with_a_teacher(task: dict[str, Any], tmp_path: Path) -> None:
    """A config and a checkpoint beside the model; what is saved is the model alone."""
    from nasvit_mm.dense import build_model

    model = build_model(Config.fromfile(ROOT / CONFIG))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'teacher.pth')
    options = task | {
        'train_cfg.max_iters': 1,
        'train_cfg.val_interval': 2,
        'default_hooks.logger.interval': 1,
        'teacher.config': str(ROOT / CONFIG),
        'teacher.checkpoint': str(tmp_path / 'teacher.pth'),
    }
    apis.train(ROOT / CONFIG, work_dir=tmp_path, options=options, fit_schedule=True)
    said = ' '.join(path.read_text() for path in tmp_path.rglob('*.log'))
    assert re.search(r'Iter\(train\) \[1/1\].*teacher\.loss_pixel: .*teacher\.loss_channel: ', said)
    saved = torch.load(tmp_path / 'iter_1.pth', weights_only=False)['state_dict']
    assert saved.keys() == model.state_dict().keys()


@pytest.fixture(scope='module')
def found(tmp_path_factory: pytest.TempPathFactory) -> apis.Search:
    return apis.run_search(SEARCH, tmp_path_factory.mktemp('search') / 'run', quiet=True)


def test_a_search(found: apis.Search) -> None:
    macs = [record['costs']['macs'] for record in found.records]
    assert len(macs) == 16 and max(macs) <= 1e8
    front = found.front()
    for one in front:  # no candidate is better in both
        assert not any(
            other['costs']['params'] > one['costs']['params']
            and other['costs']['macs'] < one['costs']['macs']
            for other in found.records
        )
    assert found.best() in front and found.best()['costs']['params'] == max(
        record['costs']['params'] for record in found.records
    )
    assert found.best('macs')['costs']['macs'] == min(macs)
    assert found.arch(found.best()) in found.space
    assert f'16 candidates of nasvit, {len(front)} on the front of params, macs' in repr(found)
    with pytest.raises(UsageError, match="objective = 'mac' .did you mean macs"):
        found.best('mac')


def test_a_search_is_read_back(found: apis.Search, capsys: pytest.CaptureFixture) -> None:
    again = apis.Search.load(found.folder)
    assert again.records == found.records and again.front() == found.front()
    assert (again.identity, repr(again)) == (found.identity, repr(found))
    assert not capsys.readouterr().out, 'quiet'


def test_a_search_is_not_written_over(found: apis.Search, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='is there already'):
        apis.run_search(SEARCH, found.folder, quiet=True)
    longer = {**SEARCH, 'algorithm': dict(SEARCH['algorithm'], generations=3)}
    folder = shutil.copytree(found.folder, tmp_path / 'run')
    more = apis.run_search(longer, folder, resume=True, quiet=True)
    assert more.records[:16] == found.records and len(more.records) == 24


def test_no_search_to_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'archive.jsonl is not there: no search has written'):
        apis.Search.load(tmp_path)


def test_count_of_an_architecture() -> None:
    """By hand: the parameters of the built model."""
    from nasvit_mm.dense import build_model

    cost = apis.count(ROOT / CONFIG, shape=(64, 96))
    model = build_model(Config.fromfile(ROOT / CONFIG))
    assert cost.input_size == (64, 96)
    assert cost.params['backbone'] == sum(p.numel() for p in model.backbone.parameters())
    larger = apis.count(ROOT / CONFIG, 'nasvit_max', 64)
    assert larger.total_macs > apis.count(ROOT / CONFIG, shape=64).total_macs


@pytest.mark.parametrize(
    ('name', 'content', 'said'),
    [
        ('a.pkl', pickle.dumps(Planted()), 'a file of pickled objects'),
        ('a.yml', b'!!python/object/apply:os.mkdir [ran]', 'line 1: the tag python/object/apply'),
    ],
)
def test_no_code_of_annotations_runs(
    name: str, content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mmdet reads the boxes of a proposal file by mmengine, which would run what is in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    cfg = small_config('nasvit_detection', tmp_path / 'coco')
    cfg['train_dataloader']['dataset']['proposal_file'] = str(tmp_path / name)
    with pytest.raises(UsageError, match=rf'train_dataloader\.dataset: {said}'):
        apis.train(cfg, work_dir='work')
    assert not Path('ran').exists()


def test_a_mapping_without_a_work_dir() -> None:
    with pytest.raises(UsageError, match='has no work_dir: give work_dir'):
        apis.run_search(SEARCH)


@pytest.mark.parametrize('given', [3, None])
def test_no_config(given: Any) -> None:
    with pytest.raises(UsageError, match=f'config = {given}.*expected a file, a mapping'):
        apis.count(given)


@pytest.mark.parametrize('verb', [apis.train, lambda cfg: apis.evaluate(cfg, CONFIG)])
def test_a_search_is_no_model(verb: Any) -> None:
    with pytest.raises(UsageError, match='is the config of a search, .* its task is'):
        verb(ROOT / 'configs/search/nasvit_ade20k_5g_search.py')


def test_export_without_weights(found: apis.Search, tmp_path: Path) -> None:
    """The chosen candidate is in the config, which a training would take."""
    done = apis.export(
        SEARCH, tmp_path / 'out', best='macs', from_scratch=True, work_dir=found.folder
    )
    assert done.paths and all(path.parent == tmp_path / 'out' for path in done.paths)
    backbone = Config.fromfile(tmp_path / 'out/config.py').model.backbone
    assert found.space.arch(dict(backbone.arch)) == found.arch(found.best('macs'))
    with pytest.raises(UsageError, match='--candidate 99: .* has 0 to 15'):
        apis.export(SEARCH, candidate=99, from_scratch=True, work_dir=found.folder)
