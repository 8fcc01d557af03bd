"""A training leaves its losses and metrics as curves."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.axes import Axes
from mmengine.logging import MMLogger
from PIL import Image

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import DrawCurves
from nasvit_mm.runtime.curves import draw_curves, read_curves


def log(folder: Path, run: str, *lines: dict | str) -> None:
    path = folder / run / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text('\n'.join(texts) + '\n')


def trained(step: int, loss: float) -> dict:
    return {'lr': 0.1, 'loss': loss, 'decode.loss_ce': loss / 2, 'iter': step, 'step': step}


def test_losses_and_metrics_by_iteration(tmp_path):
    log(tmp_path, '1', trained(10, 3.0), trained(20, 2.0), {'mIoU': 40.0, 'time': 1.0, 'step': 20})
    losses, metrics = read_curves(tmp_path)
    assert losses == {'loss': {10: 3.0, 20: 2.0}, 'decode.loss_ce': {10: 1.5, 20: 1.0}}
    assert metrics == {'mIoU': {20: 40.0}}


def test_metrics_by_epoch_are_put_where_they_were_measured(tmp_path):
    log(tmp_path, '1', trained(50, 3.0), {'mAP': 0.1, 'step': 1}, trained(100, 2.0))
    assert read_curves(tmp_path)[1] == {'mAP': {50: 0.1}}


def test_a_resumed_run_continues_the_curve(tmp_path):
    log(tmp_path, '1', trained(10, 3.0), trained(20, 9.0), '{"loss": 8.0, "st')
    log(tmp_path, '2', trained(20, 2.0), trained(30, 1.0))
    assert read_curves(tmp_path)[0]['loss'] == {10: 3.0, 20: 2.0, 30: 1.0}


@pytest.mark.parametrize('metrics', [{}, {'mIoU': {20: 40.0}}], ids=['loss', 'loss and metric'])
def test_a_panel_each(tmp_path, monkeypatch, metrics):
    drawn, plot = [], Axes.plot
    monkeypatch.setattr(
        Axes, 'plot', lambda self, *a, **k: drawn.append((self, k['label'])) or plot(self, *a, **k)
    )
    losses = {'a.loss': {1: 1.0}, 'b.loss': {1: 2.0}, 'loss': {1: 2.0}}
    draw_curves(tmp_path / 'curves.png', losses, metrics)  # b.loss is the same curve as loss
    assert [label for _, label in drawn] == ['loss', 'a.loss', *metrics]
    assert len({axes for axes, _ in drawn}) == 1 + len(metrics)
    assert np.array(Image.open(tmp_path / 'curves.png')).std() > 0


def test_the_hook_draws_when_training_ends(tmp_path):
    log(tmp_path, '1', trained(10, 3.0))
    logger = MMLogger.get_instance('curves', log_level='ERROR')
    DrawCurves().after_train(SimpleNamespace(work_dir=str(tmp_path), logger=logger))
    assert Image.open(tmp_path / 'curves.png').format == 'PNG'


def test_without_a_log_there_is_no_picture(tmp_path):
    DrawCurves().after_train(SimpleNamespace(work_dir=str(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_earlier_picture(tmp_path, monkeypatch):
    path = tmp_path / 'curves.png'
    path.write_bytes(b'earlier')

    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('matplotlib.figure.Figure.savefig', full)
    with pytest.raises(UsageError, match='curves.png cannot be written'):
        draw_curves(path, {'loss': {1: 1.0}}, {})
    assert path.read_bytes() == b'earlier'
