"""image-demo: many images, small ones, broken ones, many classes; in this process."""

from __future__ import annotations

import json
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
        sheet = np.array(Image.open(drawn).convert('L'))
        assert sheet.shape[1] >= size[0] and sheet.shape[0] > size[1]  # with a legend below
        assert (sheet[-2] > 250).all() and (sheet[size[1] :] < 100).any()
    assert len([path for path in out.rglob('*') if path.is_file()]) == 6


def test_none_can_be_read(model, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / 'text.jpg').write_text('no image')
    with pytest.raises(UsageError, match=r'no image can be read: .*text\.jpg: '):
        image_demo.main([str(tmp_path / 'text.jpg'), *model, '--out-dir', str(tmp_path / 'out')])


def test_objects_of_a_small_image(tmp_path, monkeypatch):
    """Boxes are cut back to the image, as its drawing is."""
    monkeypatch.chdir(ROOT)
    (tmp_path / 'cfg.py').write_text(
        f'_base_ = {str(ROOT / "configs/demo/nasvit_detection.py")!r}\n'
        'model = dict(test_cfg=dict(score_thr=0.0))\n'
    )
    torch.manual_seed(0)
    net = build_model(Config.fromfile(tmp_path / 'cfg.py'))
    torch.save(dict(state_dict=net.state_dict()), tmp_path / 'weights.pth')
    given = [str(save(tmp_path / 'small.png', 20, 40)), str(tmp_path / 'cfg.py'), '--device', 'cpu']
    given += ['--weights', str(tmp_path / 'weights.pth'), '--out-dir', str(tmp_path / 'out')]
    assert image_demo.main(given) is None
    found = json.loads((tmp_path / 'out/preds/small.json').read_text())
    boxes = np.array(found['bboxes'])
    assert len(boxes) == len(found['scores']) > 0
    assert (boxes >= 0).all() and (boxes[:, [0, 2]] <= 20).all() and (boxes[:, [1, 3]] <= 40).all()
    assert Image.open(tmp_path / 'out/vis/small.png').size == (20, 40)
