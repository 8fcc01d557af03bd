"""image-demo: many images, small ones, broken ones, many classes; in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from nasvit_mm.cli import image_demo
from nasvit_mm.dense import build_model
from nasvit_mm.errors import UsageError
from tests.commands import CONFIG, ROOT

CLASSES = 300


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> list[str]:
    """A segmentor of 300 classes that only ever says the last: its config and weights."""
    folder = tmp_path_factory.mktemp('model')
    names = [f'class {i}' for i in range(CLASSES)]
    (folder / 'cfg.py').write_text(
        f'_base_ = {str(ROOT / CONFIG)!r}\n'
        f'model = dict(decode_head=dict(num_classes={CLASSES}))\n'
        f'test_dataloader = dict(dataset=dict(metainfo=dict(classes={names!r}, palette=None)))\n'
    )
    net = build_model(Config.fromfile(folder / 'cfg.py'))
    with torch.no_grad():
        net.decode_head.conv_seg.bias[-1] = 1e6
    torch.save(dict(state_dict=net.state_dict()), folder / 'weights.pth')
    return [str(folder / 'cfg.py'), '--weights', str(folder / 'weights.pth'), '--device', 'cpu']


def save(path: Path, width: int, height: int) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)
    return path


def test_the_good_are_done_and_the_bad_listed(model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    whole = save(tmp_path / 'in/a/whole.jpg', 96, 64)
    save(tmp_path / 'in/small.png', 20, 7)
    (tmp_path / 'in/broken.jpg').write_bytes(whole.read_bytes()[:300])
    (tmp_path / 'in/\x1b[31m.png').write_text('no image')
    out = tmp_path / 'out'
    code = image_demo.main([str(tmp_path / 'in'), str(whole), *model, '--out-dir', str(out)])
    said = capsys.readouterr()
    assert code == 1 and 'broken.jpg: ' in said.err and r'\x1b[31m.png: ' in said.err
    assert '\x1b[31m.png' not in said.err.replace('\\x1b', '')
    for name, size in (('a/whole', (96, 64)), ('small', (20, 7)), ('whole', (96, 64))):
        labels = Image.open(out / f'pred/{name}.png')
        assert labels.size == size and (np.array(labels) == CLASSES - 1).all()
        (drawn,) = (out / 'vis').glob(f'{name}.*')
        assert Image.open(drawn).size == size
    assert len([path for path in out.rglob('*') if path.is_file()]) == 6


def test_none_can_be_read(model, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / 'text.jpg').write_text('no image')
    with pytest.raises(UsageError, match=r'no image can be read: .*text\.jpg: '):
        image_demo.main([str(tmp_path / 'text.jpg'), *model, '--out-dir', str(tmp_path / 'out')])
