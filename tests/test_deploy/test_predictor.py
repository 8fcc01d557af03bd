"""Images come to a graph's input, and what it says goes back to the images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nasvit_mm.deploy.artefact import Fit
from nasvit_mm.deploy.predictor import fitted, in_image, read_image, resized_labels
from nasvit_mm.errors import DataError, UsageError


def test_stretched_to_the_input():
    image = Image.new('RGB', (40, 10), (9, 8, 7))
    ready, scale = fitted(image, (20, 60), Fit('stretch'), (0, 0, 0))
    assert ready.shape == (20, 60, 3)
    assert scale == (1.5, 2.0)
    assert (ready == (9, 8, 7)).all()


def test_padded_right_and_below():
    image = Image.new('RGB', (40, 10), (9, 8, 7))
    ready, scale = fitted(image, (20, 60), Fit('pad'), (1, 2, 3))
    assert scale == (1.5, 1.5)
    assert (ready[:15] == (9, 8, 7)).all()
    assert (ready[15:] == (1, 2, 3)).all()


def test_labels_go_back_to_the_image():
    labels = np.array([[0, 1], [2, 3]], np.uint8)
    back = resized_labels(labels, (4, 6), (0.5, 1 / 3))
    assert back.tolist() == [[0, 0, 1, 1]] * 3 + [[2, 2, 3, 3]] * 3


def test_boxes_go_back_to_the_image_and_end_in_it():
    found = dict(
        boxes=np.array([[0, 3, 30, 12], [0, 0, 1, 1]], np.float32),
        scores=np.array([0.5, 0.0], np.float32),
        labels=np.array([2, 0], np.int32),
    )
    boxes, scores, labels = in_image(found, {}, (15, 40), (1.5, 1.5))
    assert boxes.tolist() == [[0, 2, 15, 8]]
    assert (scores.tolist(), labels.tolist()) == ([0.5], [2])


def test_a_mask_of_a_box_is_drawn_in_the_image():
    found = dict(
        boxes=np.array([[8, 4, 24, 12], [0, 0, 1, 1]], np.float32),
        scores=np.array([0.5, 0.0], np.float32),
        labels=np.array([2, 0], np.int32),
        masks=np.repeat(np.array([[[[1.0, 1, 0, 0]]]], np.float32), 2, 0)[:, 0].repeat(4, 1),
    )
    outputs = dict(masks=dict(covers='box', threshold=0.5, input=[16, 32]))
    found = in_image(found, outputs, (16, 8), (2.0, 2.0))  # the box is 4, 2, 12, 6 there
    wanted = np.zeros((1, 8, 16), bool)
    wanted[:, 2:6, 4:8] = True
    assert np.array_equal(found.masks, wanted)


def test_a_mask_of_the_input_is_drawn_in_the_image():
    found = dict(
        boxes=np.array([[0, 0, 32, 16]], np.float32),
        scores=np.array([0.5], np.float32),
        labels=np.array([2], np.int32),
        masks=np.array([[[3, 3, -3, -3], [3, 3, -3, -3]]], np.float32),
    )
    outputs = dict(masks=dict(covers='image', threshold=0.0, input=[16, 32]))
    found = in_image(found, outputs, (12, 8), (2.0, 2.0))  # 4 columns of the input were padding
    assert found.masks.shape == (1, 8, 12)
    assert found.masks[0, :, :8].all()
    assert not found.masks[0, :, 8:].any()


def test_a_file_is_turned_as_its_exif_says(tmp_path):
    image = Image.new('RGB', (40, 10))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / 'a.jpg', exif=exif)
    assert read_image(tmp_path / 'a.jpg').size == (10, 40)


def test_an_array_that_is_no_image():
    with pytest.raises(UsageError, match=r'float64 \(3, 4\): expected uint8 \(H, W, 3\), RGB'):
        read_image(np.zeros((3, 4)))


def test_a_file_of_too_many_pixels(tmp_path, monkeypatch):
    Image.new('L', (80, 60)).save(tmp_path / 'a.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    with pytest.raises(DataError, match=r'a\.png is no image that can be read \(Image size'):
        read_image(tmp_path / 'a.png')
