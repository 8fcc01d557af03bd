"""The classifier in mmengine: model, mixup, folders of pictures, accuracy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from nasvit_mm import create_model
from nasvit_mm.classification import Accuracy, ClassificationPreprocessor, ImageClassifier
from nasvit_mm.data import ImageFolder, ImageIndex
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.registry import DATASETS
from tests.commands import ROOT

TRANSFORM = dict(
    input_size=32, is_training=True, auto_augment='rand-n1-m1-mstd0.5-inc1', re_prob=0.5
)

CONFIGS = sorted(
    str(path.relative_to(ROOT / 'configs'))
    for kind in ('supernet', 'cls')
    for path in (ROOT / 'configs' / kind).glob('*_in1k.py')
)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('b', 'a', 'c'):
        (tmp_path / 'train' / name).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / 'train' / name / f'{i}.png')
    return tmp_path


def test_keys_and_function_are_those_of_create_model():
    torch.manual_seed(0)
    net = create_model('nasvit', 'smallest', num_classes=4).eval()
    model = ImageClassifier('nasvit', 'smallest', num_classes=4).eval()
    model.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 192, 192)
    with torch.no_grad():
        assert torch.equal(model(x), net(x))
        out = model(x, torch.tensor([1, 3]), mode='predict')
    assert [o['label'] for o in out] == [1, 3]
    torch.testing.assert_close(out[0]['scores'], net(x)[0].softmax(0))
    with pytest.raises(ValueError, match="'predictions', allowed"):
        model(x, mode='predictions')


def test_losses():
    model = ImageClassifier('nasvit', 'smallest', num_classes=4, label_smoothing=0.1)
    logits, labels = torch.randn(3, 4), torch.tensor([0, 1, 3])
    smooth = torch.full((3, 4), 0.025)
    smooth[range(3), labels] += 0.9
    expected = -(smooth * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(model.loss(logits, labels), expected)
    torch.testing.assert_close(model.loss(logits, labels, smooth), expected)


def test_mixup_in_training_only():
    mix = ClassificationPreprocessor(
        mixup=dict(mixup_alpha=0.8, cutmix_alpha=1.0, num_classes=3, label_smoothing=0.1)
    )
    data = dict(inputs=torch.randn(4, 3, 8, 8), labels=torch.tensor([0, 1, 2, 0]))
    clean = data['inputs'].clone()
    np.random.seed(0)
    out = mix(data, training=True)
    assert out['targets'].shape == (4, 3) and not torch.equal(out['inputs'], clean)
    torch.testing.assert_close(out['targets'].sum(1), torch.ones(4))
    assert torch.equal(data['inputs'], clean)  # scores want the clean pictures
    out = mix(data)
    assert 'targets' not in out and torch.equal(out['inputs'], clean)
    with pytest.raises(UsageError, match='batch of 3: give an even batch_size'):
        mix({k: v[:3] for k, v in data.items()}, training=True)


def test_folder(folder):
    data = ImageFolder(str(folder), 'train', TRANSFORM)
    assert len(data) == 12 and data.metainfo['classes'] == ('a', 'b', 'c')
    assert [data[i]['labels'] for i in (0, 4, 8)] == [0, 1, 2]
    assert data[0]['inputs'].shape == (3, 32, 32)
    # The augmentation belongs to the draw.
    draws = [data[ImageIndex(5, (0, epoch, 5))]['inputs'] for epoch in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_bytes_become_the_same_images(folder):
    options = {**TRANSFORM, 're_prob': 0.0}
    floats = ImageFolder(str(folder), 'train', options)
    data = ImageFolder(str(folder), 'train', dict(options, normalize=False))
    draws = [ImageIndex(i, (0, 3, i)) for i in range(4)]
    batch = torch.utils.data.default_collate([data[i] for i in draws])
    assert batch['inputs'].dtype is torch.uint8
    images = ClassificationPreprocessor()(batch, training=True)['inputs']
    assert torch.equal(images, torch.stack([floats[i]['inputs'] for i in draws]))


def test_erasing_in_training_only():
    erase = ClassificationPreprocessor(erasing=dict(probability=1.0, mode='pixel'))
    for images in (torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16, dtype=torch.uint8)):
        clean = erase(dict(inputs=images))['inputs']
        erased = erase(dict(inputs=images), training=True)['inputs'] != clean
        assert erased.any() and not erased.all()
        assert not images.any(), 'scores want the clean images'


def test_held_out_pictures(folder):
    held, rest = (ImageFolder(str(folder), 'train', TRANSFORM, num_per_class=n) for n in (1, -1))
    assert (len(held), len(rest)) == (3, 9)
    assert not {p for p, _ in held.samples} & {p for p, _ in rest.samples}


def test_mistakes_in_the_data(folder):
    with pytest.raises(DataError, match='nowhere.*does not exist; expected images in'):
        ImageFolder(str(folder), 'nowhere', TRANSFORM)
    (folder / 'empty').mkdir()
    with pytest.raises(DataError, match='empty.*holds no classes'):
        ImageFolder(str(folder), 'empty', TRANSFORM)
    (folder / 'train/a/0.png').write_bytes(b'no picture')
    with pytest.raises(DataError, match='a/0.png cannot be read'):
        ImageFolder(str(folder), 'train', TRANSFORM)[0]


def test_accuracy():
    metric = Accuracy(topk=(1, 2, 5))
    scores = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6], [0.4, 0.35, 0.25]])
    samples = [dict(scores=s, label=label) for s, label in zip(scores, (0, 2, 0, 1))]
    metric.process(None, samples[:2])
    metric.process(None, samples[2:])
    assert metric.compute_metrics(metric.results) == {'top1': 25.0, 'top2': 75.0}


def test_colour_jitter_beside_randaugment(folder):
    """Which timm leaves out, and ViTAS's recipe asks for."""

    def steps(**options) -> list[str]:
        transform = ImageFolder(folder, 'train', dict(TRANSFORM, color_jitter=0.4, **options))
        flat = [
            s for t in transform.transform.steps.transforms for s in getattr(t, 'transforms', [t])
        ]
        return [type(step).__name__ for step in flat]

    assert 'ColorJitter' not in steps()
    jittered = steps(force_color_jitter=True)
    place = jittered.index('ColorJitter')
    assert jittered[:place] + jittered[place + 1 :] == steps()
    assert jittered[place - 1] == 'RandAugment'
    assert steps(force_color_jitter=True, auto_augment=None).count('ColorJitter') == 1
    assert steps(force_color_jitter=True, auto_augment='3a').count('ColorJitter') == 1
    blurred = steps(force_color_jitter=True, gaussian_blur_prob=0.1, grayscale_prob=0.1)
    assert sorted(blurred) == sorted({*blurred})
    assert 'ColorJitter' not in steps(force_color_jitter=True, is_training=False)
    with pytest.raises(UsageError, match='transform = .* unexpected keyword argument .colour'):
        steps(colour=1)


@pytest.mark.parametrize('name', CONFIGS)
def test_pictures_of_every_config(name, folder):
    """All loaders' data sets are built, and give a picture of the size that they say."""
    (folder / 'val').symlink_to(folder / 'train')
    cfg = Config.fromfile(ROOT / 'configs' / name)
    loaders = [value for key, value in cfg.items() if key.endswith('_dataloader') and value]
    assert loaders
    for loader in loaders:
        options = dict(loader.dataset, data_root=str(folder))
        if options.get('num_per_class'):
            options['num_per_class'] = 1 if options['num_per_class'] > 0 else -1
        data = DATASETS.build(options)
        side = options['transform']['input_size']
        assert data[0]['inputs'].shape == (3, side, side)
        assert len(data) == {None: 12, 1: 3, -1: 9}[options.get('num_per_class')]
