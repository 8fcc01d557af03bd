"""Export: the folder's config builds what the supernet computes, calibrated or loudly not."""

from __future__ import annotations

import ast
import errno
import json
import re
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from nasvit_mm import get_space
from nasvit_mm.building import read_file
from nasvit_mm.checkpoints import save_weights
from nasvit_mm.classification import ImageClassifier
from nasvit_mm.data import seed_everything
from nasvit_mm.demo_data import write_ade20k
from nasvit_mm.dense import SearchedModel, build_model, check_pretrained
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.nn import batch_norms, recalibrate_bn
from nasvit_mm.registry import MODELS
from nasvit_mm.search import check_folder, export_subnet
from nasvit_mm.supernet import load_supernet
from tests.commands import ROOT
from tests.families import small
from tests.test_search.common import TASKS


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('export') / 'ADEChallengeData2016'
    write_ade20k(root, 6, 2, height=64, width=64, progress=False)
    return root


def task(space: str, data: Path | None = None) -> SearchedModel:
    cfg = Config.fromfile(ROOT / f'configs/seg/{TASKS[space]}.py')
    if space == 'vitas_twins':
        cfg.model.backbone.stage_norm = False  # the classifier has none to compare with
    if data is not None:
        cfg.merge_from_dict(
            {'train_dataloader.dataset.data_root': str(data), 'train_dataloader.batch_size': 3}
        )
        size = dict(type='Resize', scale=(64, 64))
        cfg.train_dataloader.dataset.pipeline = [
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', reduce_zero_label=True),
            size,
            dict(type='PackSegInputs'),
        ]
        cfg.model.data_preprocessor.size = (64, 64)
    return SearchedModel(cfg, small(space))


def supernet(space: str) -> ImageClassifier:
    seed_everything(0)
    return ImageClassifier(small(space).to_dict(), num_classes=5).eval()


@pytest.mark.parametrize('space', TASKS)
def test_what_is_written(space, data, tmp_path):
    net, of = supernet(space), task(space, data)
    arch = of.space.sample(3, 1)[0]
    before = {k: v.clone() for k, v in net.state_dict().items()}
    done = export_subnet(
        tmp_path, of, arch, (64, 64), net, num_calibration=2, origin=dict(candidate=7)
    )
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert done.calibrated and all(path.is_file() for path in done.paths)
    assert of.space.arch(json.loads((tmp_path / 'arch.json').read_text())) == arch
    card = (tmp_path / 'README.md').read_text()
    total = of.total(of.space.genes([arch]), (64, 64))
    assert f'{total.macs[0] / 1e9:.3f} G' in card and 'candidate: 7' in card

    cfg = Config.fromfile(tmp_path / 'config.py')
    model = build_model(cfg)
    model.backbone.init_weights()
    norms = batch_norms(model.backbone)
    if norms:  # the same as: the supernet's subnet, its statistics on the same pictures
        net.backbone.set_arch(arch)
        loader = Runner.build_dataloader(
            dict(cfg.train_dataloader, num_workers=0, persistent_workers=False), seed=0
        )
        batches = [model.data_preprocessor(b, True)['inputs'] for b, _ in zip(loader, range(2))]
        recalibrate_bn(net.backbone, batches)
        assert 'recalibrated on 6 training images' in done.norms
    net.backbone.set_arch(arch)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        theirs = net.backbone(x)[-1]
        ours = model.backbone.eval()(x)[-1]
    if space != 'vitas_deit_small':  # its outputs go through a pyramid that is new
        assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_what_the_data_hold_is_looked_at(data, tmp_path):
    """As before a training, with the same cache; a mistake is found before anything is written."""
    net = supernet('nasvit')

    def export(of: SearchedModel, checked_in: Path | None) -> bool:
        return export_subnet(
            tmp_path / 'out', of, 'smallest', (64, 64), net, 0, 1, checked_in=checked_in
        ).calibrated

    assert export(task('nasvit', data), tmp_path) and (tmp_path / 'data_check.json').is_file()
    shutil.copytree(data, tmp_path / 'data')
    for mask in (tmp_path / 'data/annotations/training').iterdir():
        Image.new('L', (64, 64), 201).save(mask)
    with pytest.raises(DataError, match='201'):
        export(task('nasvit', tmp_path / 'data'), tmp_path)
    assert (tmp_path / 'out/weights.pth').is_file()
    assert export(task('nasvit', tmp_path / 'data'), None)


def test_pictures_that_are_not_there(tmp_path):
    done = export_subnet(tmp_path, task('nasvit'), 'smallest', (64, 64), supernet('nasvit'))
    card = (tmp_path / 'README.md').read_text()
    assert not done.calibrated and "Batch norm statistics are the supernet's" in card
    assert 'does not exist' in card
    weights = torch.load(tmp_path / 'weights.pth', weights_only=True)
    assert weights['meta']['bn_recalibrated'] is False


def test_a_task_without_training_pictures(tmp_path):
    of = task('nasvit')
    of.cfg.pop('train_dataloader')
    done = export_subnet(tmp_path, of, 'smallest', (64, 64), supernet('nasvit'))
    assert not done.calibrated and 'no train_dataloader' in done.norms


@pytest.mark.parametrize('phase', [0, 1])
def test_the_phase_is_on_the_card(phase, tmp_path):
    net = ImageClassifier(small('vitas_twins').to_dict(), num_classes=5, sharing='bilateral').eval()
    export_subnet(tmp_path, task('vitas_twins'), 'smallest', (64, 64), net, phase=phase)
    assert f'- phase of the weight sharing: {phase}\n' in (tmp_path / 'README.md').read_text()


def test_from_scratch(tmp_path):
    """Nothing of an earlier export, or of the task's own training, is left."""
    (tmp_path / 'weights.pth').touch()
    of = task('nasvit')
    of.cfg.load_from, of.cfg.resume = 'segformer.pth', True
    done = export_subnet(tmp_path, of, 'smallest', (64, 64))
    assert not (tmp_path / 'weights.pth').exists() and done.calibrated
    cfg = Config.fromfile(tmp_path / 'config.py')
    assert 'Pretrained' not in cfg.pretty_text
    assert cfg.get('load_from') is None and not cfg.get('resume')


@pytest.mark.parametrize(
    ('arch', 'origin', 'message'),
    [
        ('smallest', dict(supernet='moved.pth (sha256 0123456789abcdef...)'), None),
        ('largest', dict(supernet='a.pth (sha256 0123456789abcdef...)'), 'of another architecture'),
        (
            'smallest',
            dict(supernet='a.pth (sha256 fedcba9876543210...)'),
            'another supernet or none',
        ),
        ('smallest', {}, 'weights of another supernet or none'),
    ],
)
def test_a_folder_that_is_taken(arch, origin, message, tmp_path):
    of = task('nasvit')
    first = dict(supernet='a.pth (sha256 0123456789abcdef...)')
    check_folder(tmp_path, of.space.smallest, first)
    export_subnet(tmp_path, of, 'smallest', (64, 64), origin=first)
    expected = f'holds an export .*{message}: give another --out, or --force'
    with pytest.raises(UsageError, match=expected) if message else nullcontext():
        check_folder(tmp_path, of.space.arch(arch), origin)


def test_the_state_of_the_process_does_not_matter(data, tmp_path):
    """Recalibrated on the same crops, though the pipeline has no SeedTransforms."""
    net, of = supernet('nasvit'), task('nasvit', data)
    crop = dict(type='RandomCrop', crop_size=(32, 32))
    of.cfg.train_dataloader.dataset.pipeline.insert(2, crop)
    for seed in (1, 2):
        seed_everything(seed)
        export_subnet(tmp_path / str(seed), of, 'smallest', (64, 64), net, num_calibration=1)
    one, two = (
        torch.load(tmp_path / f'{seed}/weights.pth', weights_only=True)['state_dict']
        for seed in (1, 2)
    )
    assert all(torch.equal(value, two[key]) for key, value in one.items())


def test_the_folder_can_be_moved(tmp_path):
    export_subnet(
        tmp_path / 'a', task('nasvit'), 'smallest', (64, 64), supernet('nasvit'), num_calibration=0
    )
    (tmp_path / 'a').rename(tmp_path / 'b')
    cfg = Config.fromfile(tmp_path / 'b/config.py')
    assert cfg.model.backbone.init_cfg.checkpoint == str(tmp_path / 'b/weights.pth')
    build_model(cfg).backbone.init_weights()


CRAFTED = "it's \"{{ fileDirname }}'+str(1/0)+'\\n{{$HOME:x}}"


def test_names_of_any_kind_in_the_config(tmp_path):
    """What is read is what was written: no quote ends a string, and nothing in a name runs."""
    of, folder = task('nasvit'), tmp_path / CRAFTED.replace('/', ' ')
    of.cfg.train_dataloader.dataset.data_root = CRAFTED
    of.cfg.optim_wrapper.paramwise_cfg = dict(custom_keys={CRAFTED: dict(lr_mult=0.1)})
    export_subnet(folder, of, 'smallest', (64, 64), supernet('nasvit'), num_calibration=0)
    cfg, expected = Config.fromfile(folder / 'config.py').to_dict(), of.config('smallest').to_dict()
    init = cfg['model']['backbone'].pop('init_cfg')
    assert init == dict(type='Pretrained', checkpoint=str(folder / 'weights.pth'))
    assert cfg.pop('work_dir') == str(folder / 'train')
    expected['model']['backbone'].pop('init_cfg', None)
    assert {k: v for k, v in expected.items() if k not in ('load_from', 'resume')} == cfg


def test_names_of_any_kind_on_the_card(tmp_path):
    origin = dict(
        chosen='by hand: <img src=x>[a](b)`c`\x1b[31m\n# d', supernet='a|b (sha256 12...)'
    )
    export_subnet(tmp_path, task('nasvit'), 'smallest', (64, 64), origin=origin)
    card = (tmp_path / 'README.md').read_text()
    assert r'by hand: &lt;img src=x&gt;\[a\](b)\`c\`\\x1b\[31m # d' in card and 'sha256 12' in card


def test_a_full_disk_leaves_the_earlier_export(tmp_path, monkeypatch):
    export_subnet(tmp_path / 'out', task('nasvit'), 'smallest', (64, 64))
    before = {path.name: path.read_bytes() for path in (tmp_path / 'out').iterdir()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(torch, 'save', full)
    with pytest.raises(UsageError, match='weights.pth cannot be written'):
        export_subnet(
            tmp_path / 'out',
            task('nasvit'),
            'largest',
            (64, 64),
            supernet('nasvit'),
            num_calibration=0,
        )
    assert before == {path.name: path.read_bytes() for path in (tmp_path / 'out').iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ['out']


@pytest.mark.parametrize('text', ['', '[]', '{"space": "nas', '5'])
def test_a_damaged_export_is_not_written_over(text, tmp_path):
    (tmp_path / 'arch.json').write_text(text)
    with pytest.raises(UsageError, match='damaged export|another architecture'):
        check_folder(tmp_path, get_space('nasvit').smallest, {})


def test_the_folder_is_looked_at_again_before_it_is_replaced(tmp_path):
    """Another export may have come while this one was made."""
    of = task('nasvit')

    def check():
        check_folder(tmp_path / 'out', of.space.smallest, {})

    export_subnet(tmp_path / 'out', of, 'largest', (64, 64))
    with pytest.raises(UsageError, match='another architecture'):
        export_subnet(tmp_path / 'out', of, 'smallest', (64, 64), check=check)
    held = of.space.arch(json.loads((tmp_path / 'out/arch.json').read_text()))
    assert held == of.space.largest


def test_a_folder_that_is_not_whole(tmp_path):
    """What lacks, or was cut, is named where it is read."""
    export_subnet(tmp_path, task('nasvit'), 'smallest', (64, 64), supernet('nasvit'), 0, 0)
    cfg = read_file(tmp_path / 'config.py')
    weights, text = (tmp_path / 'weights.pth').read_bytes(), (tmp_path / 'config.py').read_text()
    (tmp_path / 'weights.pth').write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UsageError, match=r'weights\.pth'):
        build_model(cfg).backbone.init_weights()
    (tmp_path / 'weights.pth').unlink()
    with pytest.raises(UsageError, match=r'weights\.pth do not exist'):
        check_pretrained(cfg)
    (tmp_path / 'config.py').write_text(text[: len(text) // 2])
    with pytest.raises(UsageError, match=r'config\.py'):
        read_file(tmp_path / 'config.py')


def test_an_architecture_the_supernet_does_not_hold(tmp_path):
    net = ImageClassifier(get_space('nasvit').only('nasvit_min').to_dict(), num_classes=5)
    with pytest.raises(UsageError, match='the supernet does not hold'):
        export_subnet(tmp_path, task('nasvit'), 'largest', (64, 64), net)


@pytest.mark.parametrize('space', TASKS)
def test_a_converted_supernet_says_what_it_is(space, tmp_path):
    net = supernet(space)
    save_weights(tmp_path / 'official.pth', net.state_dict(), net.backbone.space, None)
    again = load_supernet(str(tmp_path / 'official.pth'))
    assert again.backbone.space == net.backbone.space
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in net.state_dict().items())


def test_a_preprocessor_that_the_supernet_was_given(tmp_path):
    given = dict(type='mmengine.ImgDataPreprocessor', mean=[1, 2, 3], std=[4, 5, 6])
    cfg = Config(
        dict(
            data_preprocessor=given,
            model=dict(
                type='nasvit_mm.Supernet',
                model=dict(
                    type='nasvit_mm.ImageClassifier', space=small('nasvit').to_dict(), num_classes=5
                ),
            ),
        )
    )
    torch.save(dict(state_dict=supernet('nasvit').state_dict()), tmp_path / 'iter.pth')
    model = load_supernet(str(tmp_path / 'iter.pth'), cfg)
    assert model.data_preprocessor.mean.flatten().tolist() == [1, 2, 3]


def test_files_that_are_no_supernets(tmp_path):
    (tmp_path / 'text.pth').write_text('no')
    with pytest.raises(UsageError, match='cannot be read as a checkpoint'):
        load_supernet(str(tmp_path / 'text.pth'))
    torch.save(dict(state_dict=supernet('nasvit').state_dict()), tmp_path / 'bare.pth')
    with pytest.raises(UsageError, match='does not say what supernet it is of'):
        load_supernet(str(tmp_path / 'bare.pth'))
    cfg = Config(
        dict(
            model=dict(
                type='nasvit_mm.ImageClassifier', space='nasvit', arch='nasvit_min', num_classes=5
            )
        )
    )
    with pytest.raises(UsageError, match='is not of a supernet'):
        load_supernet(str(tmp_path / 'bare.pth'), cfg)


def test_to_a_detector(tmp_path):
    """Out of a classifier's supernet: the written config is of a RetinaNet with these weights."""
    net = supernet('nasvit')
    of = SearchedModel(Config.fromfile(ROOT / 'configs/demo/nasvit_detection.py'), small('nasvit'))
    arch = of.space.sample(3, 1)[0]
    done = export_subnet(tmp_path, of, arch, (64, 64), net, num_calibration=0)
    assert not done.calibrated
    cfg = Config.fromfile(tmp_path / 'config.py')
    model = build_model(cfg).eval()
    model.backbone.init_weights()
    net.backbone.set_arch(arch)
    net.backbone.out_indices = model.backbone.out_indices
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = model.backbone(x), net.backbone(x)
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() < 1e-4 * b.abs().max()
    assert len(model.extract_feat(x)) == model.neck.num_outs


def test_a_phase_that_there_is_not(tmp_path):
    of = task('nasvit')
    with pytest.raises(UsageError, match='phase = 1 of the weight sharing, allowed: 0'):
        export_subnet(tmp_path, of, of.space.smallest, (64, 64), supernet('nasvit'), phase=1)


@pytest.mark.parametrize('resolution', [224, 64])
def test_what_the_card_says_of_the_architecture_alone(resolution, tmp_path):
    """It is a value of the backbone's arch, with the space named on the card where needed."""
    cfg = Config.fromfile(ROOT / 'configs/seg/nasvit_ade20k.py')
    of = SearchedModel(cfg, get_space('nasvit').restrict(resolution=resolution))
    export_subnet(tmp_path, of, of.space.smallest, (64, 64))
    card = (tmp_path / 'README.md').read_text()
    named = re.search(r'value of `arch=` of the backbone(?:, with `space=(.*)`)?\.', card)
    options = {} if named[1] is None else dict(space=ast.literal_eval(named[1]))
    assert bool(options) == (resolution == 64)
    net = MODELS.build(dict(type='nasvit_mm.NASViT', arch=str(tmp_path / 'arch.json'), **options))
    assert net.arch == of.space.smallest
