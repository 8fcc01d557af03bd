"""The scene generator: repeatable, consistent with its own labels, and worth learning from."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from nasvit_mm.demo_data import CLASSES, THINGS, VOID, Label, render_scene

SEEDS = range(12)


@pytest.fixture(scope='module')
def scenes():
    return [render_scene(seed, 128, 192) for seed in SEEDS]


def test_same_seed_same_bits():
    for seed in (0, 7):
        first, second = render_scene(seed, 96, 128), render_scene(seed, 96, 128)
        assert np.array_equal(first.image, second.image)
        assert np.array_equal(first.labels, second.labels)
        assert np.array_equal(first.instance_map, second.instance_map)


def test_same_bits_in_another_process():
    code = (
        'import zlib; from nasvit_mm.demo_data import render_scene; s = render_scene(3, 64, 96);'
        'print(zlib.crc32(s.image.tobytes() + s.labels.tobytes()))'
    )
    runs = {subprocess.check_output([sys.executable, '-c', code]) for _ in range(2)}
    assert len(runs) == 1


def test_seeds_differ(scenes):
    for a, b in zip(scenes[:-1], scenes[1:], strict=True):
        assert np.mean(a.image != b.image) > 0.5
        assert np.mean(a.labels != b.labels) > 0.05


@pytest.mark.parametrize('size', [(32, 32), (33, 47), (200, 64), (64, 300), (512, 700)])
def test_any_size(size):
    for seed in range(3):
        scene = render_scene(seed, *size)
        assert scene.image.shape == (*size, 3) and scene.image.dtype == np.uint8
        assert scene.labels.shape == size and scene.labels.dtype == np.uint8
        assert len(np.unique(scene.labels)) >= 3


@pytest.mark.parametrize(
    'arguments, message',
    [
        ((-1, 64, 64), r'seed = -1.*at least 0'),
        ((0, 31, 64), r'height = 31.*at least 32'),
        ((0, 64, 0), r'width = 0.*at least 32'),
        ((0, 64.0, 64), r'height = 64\.0.*whole number'),
        (('a', 64, 64), r"seed = 'a'.*whole number"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        render_scene(*arguments)


def test_label_values(scenes):
    for scene in scenes:
        assert set(np.unique(scene.labels)) <= {*range(len(CLASSES)), VOID}
        assert np.mean(scene.labels == VOID) < 0.1
        assert np.mean(scene.labels == Label.SKY) > 0.01


def test_instances_agree_with_the_label_map(scenes):
    for scene in scenes:
        cover = np.zeros(scene.labels.shape, int)
        for number, instance in enumerate(scene.instances, 1):
            assert instance.label in THINGS
            assert (scene.labels[instance.mask] == instance.label).all()
            assert np.array_equal(scene.instance_map == number, instance.mask)
            assert instance.area == instance.mask.sum() > 0
            left, top, right, bottom = instance.box
            assert instance.mask[top:bottom, left:right].sum() == instance.area
            for edge in (
                instance.mask[top, left:right],
                instance.mask[bottom - 1, left:right],
                instance.mask[top:bottom, left],
                instance.mask[top:bottom, right - 1],
            ):
                assert edge.any()  # the box is tight
            cover += instance.mask
        assert cover.max(initial=0) <= 1  # disjoint
        assert np.array_equal(cover == 1, np.isin(scene.labels, list(THINGS)))  # and complete


def test_objects_hide_each_other(scenes):
    hidden = np.array([i.hidden for scene in scenes for i in scene.instances])
    assert ((0 <= hidden) & (hidden < 1)).all()
    assert np.mean(hidden > 0.1) > 0.1
    assert np.mean(hidden == 0) > 0.3
    pairs = 0  # boxes that overlap although masks do not
    for scene in scenes:
        for i, a in enumerate(scene.instances):
            for b in scene.instances[:i]:
                x = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
                y = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
                pairs += x > 0 and y > 0
    assert pairs > 10


def test_near_objects_are_larger(scenes):
    people = [i for s in scenes for i in s.instances if i.label == Label.PERSON and i.hidden == 0]
    people = [i for i in people if i.box[3] < 127 and i.box[0] > 0 and i.box[2] < 192]
    feet = [i.box[3] for i in people]
    tall = [i.box[3] - i.box[1] for i in people]
    assert np.corrcoef(feet, tall)[0, 1] > 0.5
    assert max(tall) > 3 * min(tall)


def test_weather_varies(scenes):
    brightness = [scene.image.mean() for scene in scenes]
    assert max(brightness) - min(brightness) > 30
    warmth = [scene.image[..., 0].mean() - scene.image[..., 2].mean() for scene in scenes]
    assert max(warmth) - min(warmth) > 20


def _features(scene, every: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour, row, local mean and deviation of a sample of pixels, and their labels."""
    image = scene.image.astype(np.float32) / 255
    mean = cv2.blur(image, (9, 9))
    deviation = np.sqrt(np.maximum(cv2.blur(image**2, (9, 9)) - mean**2, 0))
    row = np.broadcast_to(np.linspace(0, 2, len(image))[:, None, None], (*image.shape[:2], 1))
    features = np.concatenate([image, mean, 3 * deviation, row], 2).reshape(-1, 10)[::every]
    labels = scene.labels.reshape(-1)[::every]
    return features[labels != VOID].astype(np.float32), labels[labels != VOID]


def test_classes_can_be_told_apart():
    """Nearest neighbours on hand-made features beat guessing on scenes they have not seen."""
    known = [_features(render_scene(seed, 96, 144), 17) for seed in range(0, 60, 2)]
    asked = [_features(render_scene(seed, 96, 144), 37) for seed in range(1, 25, 2)]
    (x, y), (x_new, y_new) = (
        map(np.concatenate, zip(*part, strict=True)) for part in (known, asked)
    )
    model = cv2.ml.KNearest.create()
    model.train(x, cv2.ml.ROW_SAMPLE, y.astype(np.float32))
    guess = model.findNearest(x_new, 5)[1].ravel()
    accuracy = np.mean(guess == y_new)
    prior = np.mean(y_new == np.bincount(y).argmax())
    assert accuracy > prior + 0.3, (accuracy, prior)
    recall = {name: np.mean(guess[y_new == i] == i) for i, name in enumerate(CLASSES)}
    assert np.mean(list(recall.values())) > 3 / len(CLASSES), recall
    for name in ('sky', 'grass', 'road', 'tree', 'building', 'mountain', 'water'):
        assert recall[name] > 0.3, recall


def test_import_is_light():
    code = (
        'import sys, nasvit_mm.demo_data; '
        "print({'torch', 'mmcv', 'mmengine', 'mmseg', 'rich'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, '-c', code], text=True).strip() == 'set()'
