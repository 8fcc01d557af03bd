"""Latency tables of runtimes: networks put together of blocks, timed here or elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config

from nasvit_mm.dense import SearchedModel
from nasvit_mm.deploy import (
    LatencyTable,
    kit,
    latency,
    networks,
    read_times,
    time_networks,
    write_kit,
)
from nasvit_mm.deploy.runtimes import LiteRt, OnnxRuntime, Torch, get_runtime
from nasvit_mm.errors import UsageError
from nasvit_mm.spaces import get_space
from tests.commands import ROOT
from tests.families import randomised
from tests.test_deploy.test_latency import SIZE, block_time, task
from tests.test_search.common import TASKS

NAN = float('nan')
FIXED = 7.0  # milliseconds of what no block is, on a device of known times
AROUND = 2.0  # and of what an artefact does around its network


class Unbuilt:
    """In the place of a whole network: tells its blocks, and builds nothing."""

    def __init__(self, of, arch, size, batch_size) -> None:
        self.shape, self.network = (batch_size, 3, *size), None
        self.blocks = [
            networks.Seen(networks.block_key(block), None, (1,), (1,))
            for block in of.net.blocks_of(arch)
        ]

    def between(self):
        return None, []


@pytest.fixture
def unwritten(monkeypatch):
    """Let kits say what would be in them, and write no network."""
    monkeypatch.setattr(latency, 'POOL', 100)
    monkeypatch.setattr(networks, 'Whole', Unbuilt)
    monkeypatch.setattr(networks, 'exported_blocks', lambda blocks: [None] * len(blocks))
    monkeypatch.setattr(networks, 'exported', lambda *args: None)
    monkeypatch.setattr(networks, 'put_together', lambda *args: None)
    monkeypatch.setattr(kit, 'write_network', lambda model, path, *args: path.with_suffix('.onnx'))
    artefact = dict(file='artefact/model.onnx', shape=[1, *SIZE, 3], dtype='uint8')
    monkeypatch.setattr(kit, '_artefact', lambda *args: artefact)


def timed(of: SearchedModel, folder, factor=1.2, noise=0.0) -> dict:
    """Return what a device would tell on which a block alone takes `factor` times as long."""
    content = json.loads((folder / time_networks.KIT).read_text())
    known = {
        networks.block_key(block): block_time(block)
        for network in content['networks'].values()
        if 'arch' in network
        for block in of.net.blocks_of(network['arch'])
    }
    rng, times = np.random.default_rng(0), {}
    for name, network in content['networks'].items():
        if 'block' in network:
            times[name] = [factor * known[network['block']]]
        elif 'artefact_of' in network:
            times[name] = [times[network['artefact_of']][0] + AROUND + d for d in (-0.5, 0.5)]
        else:
            blocks = of.net.blocks_of(network['arch'])
            total = FIXED + sum(block_time(block) for block in blocks)
            times[name] = [
                total * (1 + noise * rng.standard_normal()) for _ in range(1 + network['twice'])
            ]
    return dict(kit=content, times=times, version='1', threads=3, device='board')


@pytest.mark.parametrize('space', TASKS)
def test_a_device_of_known_times(space, tmp_path, unwritten):
    """A block that is slower alone than in a network is counted as in a network."""
    of = task(space)
    write_kit(of, SIZE, tmp_path, 'onnx', fitted=12, unseen=8)
    (tmp_path / 'times.json').write_text(json.dumps(timed(of, tmp_path)))
    table = read_times(tmp_path / 'times.json', of, SIZE)
    assert table.check['networks'] == 8
    assert table.check['mean_error'] < 0.03  # without the factor 0.1 to 0.2
    assert (table.about['device'], table.about['threads']) == ('board', 3)
    assert (table.about['runtime'], table.about['precision']) == ('onnx', 'fp32')
    assert table.verdict == 'it predicts this device: search with it'
    table.save(tmp_path / 'table.json')
    again = LatencyTable.load(tmp_path / 'table.json', of, SIZE)
    genes = of.space.uniform_genes(0, 5)
    found = timed(of, tmp_path)
    del found['kit']['networks'][kit.ARTEFACT]  # as kits of before
    alone = kit.table_of_times(of, found)
    assert table.about['artefact_ms'] == pytest.approx(AROUND) and 'artefact_ms' not in alone.about
    assert table.milliseconds(genes) - alone.milliseconds(genes) == pytest.approx(AROUND, abs=1e-3)
    assert (again.milliseconds(genes) == table.milliseconds(genes)).all()


@pytest.mark.parametrize(
    ('check', 'said'),
    [
        (
            dict(kendall_tau=0.95, mean_error=0.02, repeat_tau=0.94),
            'this machine is too busy: do not',
        ),
        (dict(kendall_tau=0.89, mean_error=0.02, repeat_tau=0.97), 'by tau 0.89 .* do not search'),
        (dict(kendall_tau=0.95, mean_error=0.06, repeat_tau=0.97), '6.0%, .* do not search'),
        (dict(kendall_tau=0.95, mean_error=0.02, repeat_tau=0.97), 'search with it$'),
        (dict(kendall_tau=NAN, mean_error=0.02, repeat_tau=0.97), 'by tau nan .* do not search'),
        (dict(kendall_tau=0.95, mean_error=0.02, repeat_tau=NAN), 'too busy: do not'),
        (
            dict(networks=2, kendall_tau=1, mean_error=0.02, repeat_tau=1),
            '2 networks that it has not seen are too few to tell',
        ),
        ({}, '^$'),
    ],
)
def test_the_verdict(check, said):
    assert re.search(said, LatencyTable(None, {}, {}, {}, check).verdict)


def test_times_of_something_else(tmp_path, unwritten):
    of = task('nasvit')
    write_kit(of, SIZE, tmp_path, 'onnx', fitted=1, unseen=0)
    found, path = timed(of, tmp_path), tmp_path / 'times.json'
    path.write_text(json.dumps(found))
    with pytest.raises(UsageError, match=r'times.json is of another input_size: .64, 96., here'):
        read_times(path, of, (64, 64))
    with pytest.raises(UsageError, match='is of another space'):
        read_times(path, task('elasticvit'), SIZE)
    for wrong in (-1.0, NAN, 'quick'):
        path.write_text(json.dumps(dict(found, times=dict(found['times'], network0=[wrong]))))
        with pytest.raises(UsageError, match=r"times\['network0'\] = .*, expected .* number"):
            read_times(path, of, SIZE)
    path.write_text(json.dumps(dict(found, times=dict(found['times'], network0=[1.0, 2.0]))))
    with pytest.raises(UsageError, match=r'expected 1 in a list'):
        read_times(path, of, SIZE)
    blocks = {k: v for k, v in found['kit']['networks'].items() if 'arch' not in v}
    path.write_text(json.dumps(dict(found, kit=dict(found['kit'], networks=blocks))))
    with pytest.raises(UsageError, match='has no whole network'):
        read_times(path, of, SIZE)
    del found['times']['block0']
    path.write_text(json.dumps(found))
    with pytest.raises(UsageError, match='has no time of block0'):
        read_times(path, of, SIZE)
    found = timed(of, tmp_path)
    found['kit']['networks'][kit.ARTEFACT]['artefact_of'] = 'network99'
    path.write_text(json.dumps(found))
    with pytest.raises(UsageError, match='has no network99, of which it has the artefact'):
        read_times(path, of, SIZE)
    for text in ('', '[]', '{"kit": 1}'):
        path.write_text(text)
        with pytest.raises(UsageError, match=r'times.json holds no times of a kit'):
            read_times(path, of, SIZE)


def test_every_sample_counts_by_the_reference():
    """A device that becomes half as fast while it measures makes no network look slow."""
    clock, speed = [0.0], [1.0]
    about = {name: dict(file=name, shape=[1], twice=name == 'c') for name in 'abc'}
    takes = dict(a=0.02, b=0.004, c=0.03)

    def load(file):
        def run(x):
            clock[0] += takes[file] / speed[0]

        return run

    def slower(done, of):
        speed[0] /= 1.5

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_networks.time, 'perf_counter', lambda: clock[0])
        found = time_networks.measure(dict(reference='a', networks=about), load, 3, slower)
    assert found == {
        'a': [pytest.approx(20)],
        'b': [pytest.approx(4)],
        'c': [pytest.approx(30)] * 2,
    }


FEW = get_space(
    'nasvit'
).restrict(  # few blocks to write
    **{
        field.name: [c[:1] for c in field.choices] if field.positions else field.choices[0][:1]
        for field in get_space('nasvit').fields
        if field.name != 'expand_ratio'
    }
)


def few() -> SearchedModel:
    return SearchedModel(Config.fromfile(ROOT / 'configs/seg/nasvit_camvid.py'), FEW)


@pytest.mark.slow
def test_a_network_put_together_is_the_network(tmp_path):
    """Of a map whose windows are padded, and a batch of two."""
    of = few()
    whole = networks.Whole(of, of.space.smallest, (352, 480), 2)
    randomised(whole.network)
    images = torch.randn(2, 3, 352, 480)
    with torch.no_grad():
        wanted = whole.network(images).numpy()
    blocks = networks.exported_blocks(whole.blocks)
    model = networks.put_together(networks.exported(*whole.between()), blocks)
    networks.save(model, tmp_path / 'model.onnx')
    (found,) = OnnxRuntime(tmp_path / 'model.onnx', 1).run(images.numpy()).values()
    assert np.abs(found - wanted).max() < 1e-3 * wanted.std()


@pytest.mark.slow
@pytest.mark.parametrize('name', ['onnx', 'openvino', 'torch', 'torch-compile'])
def test_the_artefact_of_a_kit_is_loaded(name, tmp_path):
    """Of a batch of two, where the runtime takes one."""
    of, kind = few(), get_runtime(name)
    made = kit._artefact(of, of.space.smallest, SIZE, tmp_path, kind, 'fp32', 2)
    path = tmp_path / made['file']
    session = (Torch if issubclass(kind, Torch) else kind)(path, 1)
    (found,) = session.run(np.zeros(made['shape'], made['dtype'])).values()
    assert found.shape == (2, *SIZE)


def test_what_has_no_artefact_beside_its_network(tmp_path):
    of = few()
    given = (of.space.smallest, SIZE, tmp_path)
    assert kit._artefact(of, *given, LiteRt, 'fp32', 2) is None  # whose artefacts take one image
    of.cfg.model.data_preprocessor.test_cfg = dict(size_divisor=64)
    assert kit._artefact(of, *given, OnnxRuntime, 'fp32', 1) is None
    detector = SearchedModel(Config.fromfile(ROOT / 'configs/det/nasvit_bccd.py'), FEW)
    given = (detector.space.smallest, SIZE, tmp_path)
    assert kit._artefact(detector, *given, OnnxRuntime, 'fp32', 1) is None
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp('kit')
    write_kit(few(), SIZE, folder, 'onnx', fitted=1, unseen=1)
    return folder


@pytest.mark.slow
def test_a_kit_is_small_and_timed_here(written):
    sizes = {path.name: path.stat().st_size for path in written.iterdir()}
    assert max(size for name, size in sizes.items() if name.endswith('.onnx')) < 4e6
    found = kit.time_kit(written, threads=1, rounds=2)
    assert min(min(times) for times in found['times'].values()) > 0
    assert found['kit']['networks'][kit.ARTEFACT]['shape'] == [1, *SIZE, 3]
    table = kit.table_of_times(few(), found)
    assert table.about['artefact_ms'] >= 0
    assert table.milliseconds(few().space.genes([few().space.smallest]))[0] > 0


@pytest.mark.nightly
def test_a_kit_in_an_environment_with_numpy_and_onnxruntime_only(written, tmp_path):
    """As on another device: no torch, no OpenMMLab, not this package."""
    python = tmp_path / 'env/bin/python'
    subprocess.run([sys.executable, '-m', 'venv', tmp_path / 'env'], check=True)
    subprocess.run([python, '-m', 'pip', 'install', '-q', 'numpy', 'onnxruntime'], check=True)
    subprocess.run(
        [python, written / 'time_networks.py', '--rounds', '2', '--out', tmp_path / 'times.json'],
        check=True,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
    )
    table = read_times(tmp_path / 'times.json', few(), SIZE)
    assert table.about['runtime'] == 'onnx' and table.check['networks'] == 1
