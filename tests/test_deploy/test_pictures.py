"""Predictions are drawn over their images, with the names of classes below."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nasvit_mm.deploy.pictures import draw_classes, draw_labels, draw_objects
from nasvit_mm.deploy.predictor import Boxes, Instances, Predictor
from nasvit_mm.errors import UsageError
from nasvit_mm.legend import class_colours, with_legend

CLASSES = ['road', 'sky', 'car']
PALETTE = [[10, 20, 30], [200, 100, 0], [0, 0, 255]]


@pytest.fixture
def written(monkeypatch) -> list[str]:
    """All texts that are drawn."""
    found, text = [], ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw,
        'text',
        lambda self, at, what, *a, **k: found.append(what) or text(self, at, what, *a, **k),
    )
    return found


def grey(width: int = 400, height: int = 40) -> Image.Image:
    return Image.new('RGB', (width, height), (100, 100, 100))


def test_a_legend_is_below_the_image(written):
    sheet = with_legend(grey(), [('road', (10, 20, 30)), ('sky', (200, 100, 0))])
    assert np.array_equal(np.array(sheet)[:40, :400], np.array(grey()))
    below = {tuple(p) for p in np.array(sheet)[40:].reshape(-1, 3).tolist()}
    assert {(10, 20, 30), (200, 100, 0)} <= below and written == ['road', 'sky']
    assert with_legend(grey(), []) is not None and with_legend(grey(), []).size == (400, 40)


@pytest.mark.parametrize('width', [20, 150, 1500])
def test_every_name_has_its_place(width):
    """Of any width: in more lines where one is not enough, on a wider sheet where a name is not."""
    entries = [(f'class number {i}', (i, 255, 0)) for i in range(30)]
    sheet = np.array(with_legend(grey(width), entries))
    for i, colour in enumerate([colour for _, colour in entries]):
        assert (sheet == colour).all(-1).any(), i
    assert (sheet[-1] == 255).all() and (sheet[40:, -1] == 255).all()  # nothing is cut off


def test_colours_that_a_palette_lacks_are_always_the_same():
    few, more = class_colours(PALETTE[:1], 3), class_colours(None, 3)
    assert few[0] == (10, 20, 30) and few[1:] == more[1:] == class_colours('random', 3)[1:]


def test_classes_of_pixels(written):
    labels = np.zeros((40, 400), np.uint8)
    labels[:, 100:], labels[:, 300:] = 2, 255  # no class
    drawn = np.array(draw_labels(grey(), labels, CLASSES, PALETTE, 0.5))
    assert drawn[0, 0].tolist() == [55, 60, 65] and drawn[0, 200].tolist() == [50, 50, 178]
    assert drawn[0, 399].tolist() == [100, 100, 100]
    assert written == ['road', 'car']


def test_objects_with_their_masks(written):
    boxes = np.array([[10, 5, 60, 30], [200, 5, 260, 30]], np.float32)
    masks = np.zeros((2, 40, 400), bool)
    masks[0, 20:28, 40:55] = True
    found = Instances(boxes, np.array([0.9, 0.2]), np.array([1, 2]), masks)
    drawn = np.array(draw_objects(grey(), found, CLASSES, PALETTE, 1.0, 0.3))
    assert drawn[25, 45].tolist() == PALETTE[1] and drawn[29, 10].tolist() == PALETTE[1]
    assert (drawn[:40, 150:] == 100).all()  # not sure enough
    assert written == ['0.90', 'sky']
    plain = draw_objects(grey(), Boxes(*found[:3]), CLASSES, PALETTE, 1.0, 0.3)
    assert np.array(plain)[25, 45].tolist() == [100, 100, 100]


def test_the_likeliest_classes(written):
    scores = np.array([0.1, 0.7, 0.2])
    draw_classes(grey(), scores, CLASSES)
    assert written == ['sky 0.70', 'car 0.20', 'road 0.10']


def predictor(task: str, found, classes=CLASSES) -> Predictor:
    made = Predictor.__new__(Predictor)
    made.artefact = SimpleNamespace(task=task, classes=classes, palette=[])
    made.__class__ = type('Told', (Predictor,), dict(__call__=lambda self, image: found))
    return made


def test_a_predictor_draws_what_it_predicts(written):
    labels = np.zeros((40, 400), np.uint8)
    assert predictor('label map', labels).draw(grey()).width == 400
    assert predictor('label map', labels, []).draw(np.array(grey())).width == 400
    boxes = Boxes(np.zeros((1, 4), np.float32), np.array([0.9]), np.array([2]))
    predictor('boxes', None).draw(grey(), boxes)
    predictor('classes', np.array([1.0, 0, 0])).draw(grey())
    assert written == ['road', '0', '0.90', 'car', 'road 1.00', 'sky 0.00', 'car 0.00']


def test_logits_cannot_be_drawn():
    with pytest.raises(UsageError, match=r'shape \(3, 10, 100\) .* 40 x 400'):
        predictor('label map', np.zeros((3, 10, 100))).draw(grey())
