"""What was measured of an artefact is in its description and on its card."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from nasvit_mm.cli.benchmark import main
from nasvit_mm.deploy import Artefact, measure_seconds, record
from nasvit_mm.errors import UsageError
from tests.test_deploy.models import written


@pytest.fixture
def sessions(monkeypatch) -> None:
    """Runtimes that do nothing."""

    class Session:
        threads = 1

        def run(self, images: np.ndarray) -> dict:
            return {}

    monkeypatch.setattr('nasvit_mm.deploy.timing.open_artefact', lambda *_: Session())


def test_a_metric_is_recorded(tmp_path):
    record(written(tmp_path), dict(metric=dict(mIoU=51.25)))
    assert Artefact.load(tmp_path).measured == dict(metric=dict(mIoU=51.25))
    assert '- metric: mIoU 51.25' in (tmp_path / 'README.md').read_text()


def test_latency_of_several_is_printed_and_recorded(tmp_path, sessions, capsys):
    folders = [tmp_path / 'a', tmp_path / 'b']
    for folder in folders:
        folder.mkdir()
        written(folder)
    main([*map(str, folders), '--rounds', '2', '--threads', '1'])
    assert 'onnx fp32' in capsys.readouterr().out
    for folder in folders:
        latency = Artefact.load(folder).measured['latency']
        assert latency['median_ms'] >= 0
        assert latency['threads'] == 1


@pytest.mark.parametrize(('flag', 'values'), [('--shape', ['64', '64']), ('--networks', ['3'])])
def test_flags_of_configs(flag, values, tmp_path):
    with pytest.raises(UsageError, match=f'{flag} is of configs'):
        main([str(tmp_path), flag, *values])


def test_the_batch_of_an_artefact(tmp_path, monkeypatch):
    """One that takes any number is timed at the one asked for, and its card says so."""
    seen = []

    class Session:
        threads = 1

        def run(self, images: np.ndarray) -> dict:
            seen.append(len(images))
            return {}

    monkeypatch.setattr('nasvit_mm.deploy.timing.open_artefact', lambda *_: Session())
    written(tmp_path, input=dict(name='images', shape=[None, 32, 48, 3]))
    main([str(tmp_path), '--rounds', '1', '--batch-size', '3'])
    assert set(seen) == {3}
    assert Artefact.load(tmp_path).measured['latency']['batch'] == 3
    written(tmp_path)
    with pytest.raises(UsageError, match='takes batches of 1 alone'):
        main([str(tmp_path), '--batch-size', '3'])


def test_the_device_of_an_artefact(tmp_path):
    (tmp_path / 'model.onnx').write_bytes(b'')
    written(tmp_path)
    with pytest.raises(UsageError, match='onnxruntime has no provider Nothing here'):
        main([str(tmp_path), '--device', 'Nothing'])


def test_one_config_at_a_time():
    with pytest.raises(UsageError, match='one config at a time'):
        main(['a.py', 'b.py'])


def test_a_gpu_is_waited_for_by_its_number_and_warmed_up(monkeypatch) -> None:
    """The second of two would else be timed by what launching takes."""
    waited, called = [], []
    monkeypatch.setattr('torch.cuda.synchronize', waited.append)
    monkeypatch.setattr('nasvit_mm.deploy.measure.CLOCK_RISES', 0.01)
    measure_seconds({'one': lambda: called.append(time.sleep(0.002))}, 2, device='cuda:1')
    assert set(waited) == {torch.device('cuda:1')} and len(waited) == len(called)
    assert len(called) > 3 + 2  # warm-ups and rounds
