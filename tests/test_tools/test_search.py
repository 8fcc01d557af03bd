"""tools/search.py: a real supernet, a kill, ranks, mistakes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from nasvit_mm.data import seed_everything
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import MODELS
from nasvit_mm.search import SupernetEvaluator, adopted, read_search
from nasvit_mm.supernet import calibrated
from tests.commands import ROOT, begin, error_line, start
from tests.test_tools.supernets import config, pictures

COSTS = """
space = {space}
task = '{task}'
input_size = (512, 512)
objectives = [dict(metric='params', goal='max'), 'macs']
constraints = [dict(metric='macs', high={high})]
algorithm = dict(type='nsga2', population=16, generations=4)
"""
TOY = """
custom_imports = dict(imports=['tests.test_search.toy'])
space = 'vitas_twins'
objectives = ['score', 'macs']
constraints = [dict(metric='macs', high=3e9)]
evaluator = dict(type='Toy', seconds={seconds})
algorithm = dict(type='vitas', population=6, generations=4)
"""


SMALLER = dict(space='nasvit', restrict=dict(resolution=[32, 48]))  # of the supernet below


def costs(
    folder: Path,
    high: float = 5e9,
    space: str | dict = 'nasvit',
    task: Path = ROOT / 'configs/seg/nasvit_ade20k.py',
) -> Path:
    path = folder / 'costs.py'
    path.write_text(COSTS.format(space=repr(space), task=task, high=high))
    return path


def toy(folder: Path, seconds: float = 0.0) -> Path:
    path = folder / 'toy.py'
    path.write_text(TOY.format(seconds=seconds))
    return path


def archive(folder: Path) -> bytes:
    return (folder / 'archive.jsonl').read_bytes()


@pytest.fixture(scope='module')
def supernet(tmp_path_factory) -> tuple[Path, Path]:
    """Config and checkpoint of a small, untrained supernet."""
    folder = tmp_path_factory.mktemp('supernet')
    path = config('nasvit', pictures(folder / 'data'), folder)
    seed_everything(0)
    cfg = Config.fromfile(path)
    torch.save(
        dict(state_dict=MODELS.build(cfg.model).state_dict(), meta=dict(cfg=cfg.pretty_text)),
        folder / 'iter_4.pth',
    )
    return path, folder / 'iter_4.pth'


def test_the_supernet_evaluator(supernet):
    """In any order the same, and what the subnet gives; the supernet is left as it was."""
    path, checkpoint = supernet
    space = MODELS.build(Config.fromfile(path).model).model.backbone.space
    evaluate = SupernetEvaluator(space, str(path), str(checkpoint), num_calibration=2)
    before = {k: v.clone() for k, v in evaluate.model.state_dict().items()}
    archs = [space.smallest, *space.sample(0, 2)]
    found = [evaluate(arch) for arch in archs]
    again = SupernetEvaluator(space, str(path), str(checkpoint), num_calibration=2, cache=False)
    assert [again(arch) for arch in archs[::-1]] == found[::-1]
    assert all(torch.equal(before[k], v) for k, v in evaluate.model.state_dict().items())
    assert set(found[0]) == {'accuracy/top1'}
    seed_everything(0)
    net = calibrated(evaluate.model, archs[1], evaluate._batches['train_dataloader', 1.0, 1.0])
    right = [
        o['scores'].argmax() == o['label']
        for batch in evaluate._batches[f'{evaluate.split}_dataloader', 1.0, 1.0]
        for o in net.val_step(batch)
    ]
    assert found[1]['accuracy/top1'] == pytest.approx(100 * sum(right) / len(right))


def test_a_supernet_of_a_smaller_space_is_refused(supernet):
    path, checkpoint = supernet
    from nasvit_mm import get_space

    with pytest.raises(UsageError, match='the supernet has resolution of 32, 48, the search asks'):
        SupernetEvaluator(get_space('nasvit'), str(path), str(checkpoint))


@pytest.mark.slow
def test_search_of_a_supernet_under_a_dense_budget(supernet, tmp_path):
    path, checkpoint = supernet
    file = costs(tmp_path, 6e9, SMALLER)
    file.write_text(
        file.read_text()
        .replace("dict(metric='params', goal='max')", "'accuracy/top1'")
        .replace('population=16, generations=4', 'population=3, generations=2')
        + (
            f"evaluator = dict(type='SupernetEvaluator', config='{path}', "
            f"checkpoint='{checkpoint}', num_calibration=1)\n"
        )
    )
    done = start('search', file, '--work-dir', tmp_path / 'run')
    assert done.returncode == 0, done.stderr[-3000:]
    front = json.loads((tmp_path / 'run/front.json').read_text())
    lines = archive(tmp_path / 'run').splitlines()[1:]
    assert len(lines) == 6 and front and all(r['costs']['macs'] <= 6e9 for r in front)
    assert 'The front' in done.stdout and 'accuracy/top1' in done.stdout

    # Other weights under the same name: another search, and not what its figures are of.
    content = torch.load(checkpoint, weights_only=False)
    content['state_dict'] = {
        k: v + 0.1 if v.is_floating_point() else v for k, v in content['state_dict'].items()
    }
    other = tmp_path / 'other.pth'
    shutil.copy(checkpoint, other)
    file.write_text(file.read_text().replace(str(checkpoint), str(other)))
    again = start('search', file, '--work-dir', tmp_path / 'other')
    assert again.returncode == 0, again.stderr[-3000:]
    torch.save(content, other)
    refused = start('search', file, '--work-dir', tmp_path / 'other', '--resume')
    message = error_line(refused.returncode, refused.stderr)
    assert 'of another search: supernet differ (there supernet.checkpoint = ' in message
    exported = start(
        'export_subnet',
        file,
        '--work-dir',
        tmp_path / 'other',
        '--out',
        tmp_path / 'out',
        '--num-calibration',
        0,
    )
    assert exported.returncode == 0, exported.stderr[-3000:]
    assert 'the supernet is not the one that was searched' in exported.stderr
    assert 'NOT the one that was searched' in (tmp_path / 'out/README.md').read_text()
    other.unlink()  # costs need no weights
    exported = start('export_subnet', file, '--work-dir', tmp_path / 'other', '--from-scratch')
    assert exported.returncode == 0, exported.stderr[-3000:]
    assert 'not the one' not in exported.stderr


def test_costs_only_and_the_report(tmp_path):
    done = start('search', costs(tmp_path), '--work-dir', tmp_path / 'run')
    assert done.returncode == 0, done.stderr[-3000:]
    records = [json.loads(line) for line in archive(tmp_path / 'run').splitlines()[1:]]
    assert len(records) == 64
    page = (tmp_path / 'run/report.html').read_text()
    data = json.loads(page.split('id="data">')[1].split('</script>')[0])
    assert data['records'] == records and 'http' not in page.replace('http://www.w3.org', '')
    assert (tmp_path / 'run/front.png').stat().st_size > 10_000
    if shutil.which('chromium'):  # what its script makes of them
        dom = subprocess.run(
            [
                'chromium',
                '--headless',
                '--no-sandbox',
                '--disable-gpu',
                '--dump-dom',
                f'file://{tmp_path}/run/report.html',
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert dom.stdout.count('<circle') == 64 and dom.stdout.count('<polyline') == 2
        assert dom.stdout.count('class="arch"') == len(data['front'])
    again = start('search', costs(tmp_path), '--work-dir', tmp_path / 'run')
    assert 'give --resume' in error_line(again.returncode, again.stderr)
    other = start('search', costs(tmp_path, 4e9), '--work-dir', tmp_path / 'run', '--resume')
    assert 'of another search: constraints differ' in error_line(other.returncode, other.stderr)


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on(tmp_path):
    path = toy(tmp_path, 0.1)
    done = start('search', path, '--work-dir', tmp_path / 'whole')
    assert done.returncode == 0, done.stderr[-3000:]
    timings = [
        json.loads(line) for line in (tmp_path / 'whole/timings.jsonl').read_text().splitlines()
    ]
    number = archive(tmp_path / 'whole').count(b'\n') - 1
    assert [t['index'] for t in timings] == list(range(number))
    assert all(0.1 <= t['seconds'] < 60 for t in timings)
    process = begin('search', path, '--work-dir', tmp_path / 'cut')
    while not (tmp_path / 'cut/archive.jsonl').exists() or (
        archive(tmp_path / 'cut').count(b'\n') < 9
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert archive(tmp_path / 'cut').count(b'\n') < 25
    again = start('search', path, '--work-dir', tmp_path / 'cut', '--resume', '--workers', 2)
    assert again.returncode == 0, again.stderr[-3000:]
    assert 'candidates are in' in again.stdout
    assert archive(tmp_path / 'cut') == archive(tmp_path / 'whole')


@pytest.mark.slow
def test_two_ranks(tmp_path):
    path = toy(tmp_path, 0.05)
    alone = start('search', path, '--work-dir', tmp_path / 'alone')
    assert alone.returncode == 0, alone.stderr[-3000:]
    ranks = start('tools/dist_search.sh', path, 2, '--work-dir', tmp_path / 'ranks')
    assert ranks.returncode == 0, ranks.stderr[-3000:]
    assert archive(tmp_path / 'ranks') == archive(tmp_path / 'alone')
    assert os.path.exists(tmp_path / 'ranks/report.html')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ("constraints = [dict(metric='macs', high=1e9)]", 'the space reaches from'),
        ("objective = ['macs']", 'unknown key objective in the search config'),
        ("task = 'seg/none.py'", 'task: the config seg/none.py does not exist'),
        ("objectives = ['mIoU']", "'mIoU' needs an evaluator"),
        ("space = 'nasvits'", "space: unknown space 'nasvits'"),
        ("initial = 'none.pth'", 'checkpoint none.pth '),
        ("evaluator = dict(type='Oracle'); objectives = ['mIoU']", "evaluator type = 'Oracle'"),
    ],
)
def test_mistakes(change, message, tmp_path):
    path = costs(tmp_path)
    path.write_text(path.read_text() + change)
    done = start('search', path, '--work-dir', tmp_path / 'run')
    assert message in error_line(done.returncode, done.stderr)


@pytest.mark.slow
def test_a_dask_cluster(tmp_path):
    """Of two worker processes, by the flag: the archive of a serial search."""
    from distributed import LocalCluster

    path = toy(tmp_path)
    assert start('search', path, '--work-dir', tmp_path / 'serial').returncode == 0
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        done = start(
            'search', path, '--work-dir', tmp_path / 'dask', '--dask', cluster.scheduler_address
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert archive(tmp_path / 'serial') == archive(tmp_path / 'dask')


@contextmanager
def dask(folder: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    """A scheduler and a worker, each a process of its own; yields the first and its address."""
    file, env = folder / 'scheduler.json', dict(os.environ, PYTHONPATH=str(ROOT))
    file.unlink(missing_ok=True)
    commands = (
        ('scheduler', '--host', '127.0.0.1', '--port', '0', '--no-dashboard'),
        ('worker', '--nthreads', '1', '--no-dashboard', '--no-nanny'),
    )
    processes = []
    try:
        for name, *arguments in commands:
            command = [sys.executable, '-m', f'distributed.cli.dask_{name}', *arguments]
            command += ['--scheduler-file', str(file)]
            processes.append(subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL))
            while not file.exists():
                assert processes[-1].poll() is None
                time.sleep(0.05)
        yield processes[0], json.loads(file.read_text())['address']
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_scheduler_of_dask_that_is_killed(tmp_path, monkeypatch):
    """The search ends in seconds, keeps what was evaluated, and resumes with another one."""
    monkeypatch.setenv('DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT', '20s')
    path, cut = toy(tmp_path, 0.3), tmp_path / 'cut'
    with dask(tmp_path) as (scheduler, address):
        search = begin('search', path, '--work-dir', cut, '--dask', address)
        while not (cut / 'archive.jsonl').exists() or archive(cut).count(b'\n') < 9:
            assert search.poll() is None, search.communicate()
            time.sleep(0.05)
        scheduler.kill()
        killed = time.monotonic()
        _, said = search.communicate(timeout=120)
        assert time.monotonic() - killed < 60
    assert f'--dask {address}: the scheduler is gone' in error_line(search.returncode, said)
    kept = archive(cut)
    assert 9 <= kept.count(b'\n') < 25 and kept.endswith(b'\n')
    with dask(tmp_path) as (_, address):
        again = start('search', path, '--work-dir', cut, '--resume', '--dask', address)
    assert again.returncode == 0, again.stderr[-3000:]
    assert start('search', path, '--work-dir', tmp_path / 'whole').returncode == 0
    assert archive(cut) == archive(tmp_path / 'whole')


@pytest.mark.slow
def test_no_scheduler_of_dask(tmp_path, monkeypatch):
    monkeypatch.setenv('DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT', '1s')
    done = start(
        'search', toy(tmp_path), '--work-dir', tmp_path / 'run', '--dask', 'tcp://127.0.0.1:9'
    )
    assert '--dask tcp://127.0.0.1:9: no scheduler' in error_line(done.returncode, done.stderr)


@pytest.mark.slow
def test_exports_of_two_architectures(tmp_path):
    path, run = costs(tmp_path), tmp_path / 'run'
    for name in ('smallest', 'largest'):
        done = start('export_subnet', path, '--work-dir', run, '--arch', name, '--from-scratch')
        assert done.returncode == 0, done.stderr[-3000:]
        assert str(run / f'export_{name}/config.py') in done.stdout
    onto = (
        'export_subnet',
        path,
        '--work-dir',
        run,
        '--arch',
        'largest',
        '--from-scratch',
        '--out',
        run / 'export_smallest',
    )
    refused = start(*onto)
    assert 'holds an export of another architecture' in error_line(
        refused.returncode, refused.stderr
    )
    assert start(*onto, '--force').returncode == 0
    assert (run / 'export_smallest/arch.json').read_text() == (
        run / 'export_largest/arch.json'
    ).read_text()


def test_memory_banks_begin_the_search(tmp_path):
    from nasvit_mm import get_space

    archs = get_space('nasvit').sample(0, 40)
    banks = [[[a.to_dict(), float(i)] for i, a in enumerate(archs)]]
    state = dict(weight=torch.zeros(1))
    banks = dict(sampler=dict(bank=banks))
    torch.save(dict(state_dict=state, supernet=banks), tmp_path / 'iter.pth')
    path = costs(tmp_path)
    path.write_text(path.read_text() + f"initial = '{tmp_path / 'iter.pth'}'\n")
    plan = read_search(Config.fromfile(path), path)
    space = plan.problem.space
    genes = space.genes([adopted(space, plan.idle, arch) for arch in archs[::-1]])
    fits = genes[plan.problem.feasible(genes)]
    assert len(fits) > 2 and (plan.algorithm.ask()[: len(fits)] == fits[:16]).all()


@pytest.fixture(scope='module')
def demo(tmp_path_factory) -> Path:
    """Pictures of a task, in ADE20K's layout."""
    from nasvit_mm.demo_data import write_ade20k

    root = tmp_path_factory.mktemp('task') / 'ADEChallengeData2016'
    write_ade20k(root, 6, 2, height=64, width=64, progress=False)
    return root


@pytest.mark.slow
def test_export_and_train(supernet, demo, tmp_path):
    """Search, export the best, and its config trains as it is."""
    _, checkpoint = supernet
    path = costs(tmp_path, 5e9, SMALLER, tmp_path / 'task.py')
    (tmp_path / 'task.py').write_text(
        f"_base_ = '{ROOT}/configs/demo/nasvit_demo.py'\n"
        f"data = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{demo}'))\n"
        'train_dataloader = dict(batch_size=2, **data)\nval_dataloader = data\n'
        'test_dataloader = data\ntrain_cfg = dict(max_iters=2, val_interval=2)\n'
        "param_scheduler = [dict(type='ConstantLR', factor=1.0, by_epoch=False)]\n"
    )
    done = start('search', path, '--work-dir', tmp_path / 'run')
    assert done.returncode == 0, done.stderr[-3000:]
    exported = start(
        'export_subnet',
        path,
        '--work-dir',
        tmp_path / 'run',
        '--checkpoint',
        checkpoint,
        '--best',
        'macs',
        '--out',
        tmp_path / 'out',
        '--num-calibration',
        2,
    )
    assert exported.returncode == 0, exported.stderr[-3000:]
    assert 'recalibrated on 4 training images' in exported.stdout
    front = json.loads((tmp_path / 'run/front.json').read_text())
    cheapest = min(front, key=lambda r: r['costs']['macs'])
    assert f'- candidate: {cheapest["index"]}\n' in (tmp_path / 'out/README.md').read_text()
    trained = start('train', tmp_path / 'out/config.py')
    assert trained.returncode == 0, trained.stderr[-3000:]
    assert 'loaded from' in trained.stdout and 'mIoU' in trained.stdout
    assert (tmp_path / 'out/train/iter_2.pth').is_file()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((), 'holds no candidate: run tools/search.py'),
        (('--arch', 'nasvit_mid', '--from-scratch'), "unknown nasvit architecture 'nasvit_mid'"),
        (('--arch', 'nasvit_min'), 'the search has no supernet: give --checkpoint'),
        (('--arch', 'nasvit_min', '--checkpoint', 'none.pth'), 'checkpoint none.pth '),
    ],
)
def test_mistakes_of_an_export(arguments, message, tmp_path):
    done = start('export_subnet', costs(tmp_path), '--work-dir', tmp_path / 'run', *arguments)
    assert message in error_line(done.returncode, done.stderr)


@pytest.mark.slow
def test_a_latency_table_of_this_machine_and_a_search_by_it(tmp_path):
    path = costs(tmp_path)
    path.write_text(
        path.read_text().replace('512, 512', '64, 64').replace('high=5000000000.0', 'high=1e9')
    )
    table = tmp_path / 'latency.json'
    built = start('benchmark', path, '--build-table', table, '--networks', 3, '--rounds', 1)
    assert built.returncode == 0, built.stderr[-3000:]
    assert '30 networks it has not seen: Kendall tau' in built.stdout
    path.write_text(path.read_text().replace("'macs']", "'latency']") + f"latency = '{table}'\n")
    done = start('search', path, '--work-dir', tmp_path / 'run')
    assert done.returncode == 0, done.stderr[-3000:]
    records = [json.loads(line) for line in archive(tmp_path / 'run').splitlines()[1:]]
    assert all(r['costs']['latency'] > 0 for r in records)
