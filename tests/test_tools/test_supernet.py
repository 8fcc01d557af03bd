"""Supernets by the command line: train, validate subnets, go on where a run was stopped."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
import torch

from nasvit_mm import create_model
from nasvit_mm.checkpoints import save_weights
from nasvit_mm.data import ImageFolder
from nasvit_mm.registry import MODELS
from nasvit_mm.supernet import LARGEST, SAMPLED, SMALLEST
from tests.commands import begin, error_line, start
from tests.test_tools.supernets import KINDS, config, pictures


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return pictures(tmp_path_factory.mktemp('pictures'))


def train(path: Path, folder: Path, *more: str):
    done = start('train', path, '--work-dir', folder, *more)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if 'Iter(val)' in line and 'top1' in line]
    found = dict(re.findall(r'(\S+/accuracy/top1): ([\d.]+)', lines[-1]))
    return torch.load(folder / 'iter_4.pth', map_location='cpu', weights_only=False), found


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_resume_is_bitwise(kind, data, tmp_path):
    """Weights, optimizer, step, level, banks: a run stopped after its second step ends equal."""
    path = config(kind, data, tmp_path)
    whole, scores = train(path, tmp_path / 'whole')
    (tmp_path / 'again').mkdir()
    if kind == 'elasticvit':
        killed_in_the_third_step(path, tmp_path / 'again')
    else:
        shutil.copy(tmp_path / 'whole/iter_2.pth', tmp_path / 'again')
    again, same = train(path, tmp_path / 'again', '--resume')
    assert whole['supernet'] == again['supernet'] and whole['supernet']['step'] == 4
    for key, value in whole['state_dict'].items():
        assert torch.equal(value, again['state_dict'][key]), key
    assert _moved(whole) and not _differing(whole['ema_state_dict'], again['ema_state_dict'])
    ours, theirs = (c['optimizer']['state'] for c in (whole, again))
    assert ours.keys() == theirs.keys()
    for key, state in ours.items():
        assert all(
            torch.equal(torch.as_tensor(v), torch.as_tensor(theirs[key][k]))
            for k, v in state.items()
        )
    if kind == 'elasticvit':
        assert any(whole['supernet']['sampler']['bank'])
    phases = ['', 'phase0/', 'phase1/'] if kind == 'vitas_twins' else ['']
    assert scores == same and set(scores) == {
        f'{subnet}/{phase}accuracy/top1' for subnet in ('smallest', 'largest') for phase in phases
    }


def killed_in_the_third_step(path: Path, folder: Path) -> None:
    """Its banks have changed, and the next checkpoint is not written yet."""
    process = begin('train', path, '--work-dir', folder)
    for line in process.stdout:
        if re.search(r'Iter\(train\) *\[3/4\]', line):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (folder / 'iter_2.pth').exists() and not (folder / 'iter_4.pth').exists()


def _differing(ours: dict, theirs: dict) -> list[str]:
    return [key for key, value in ours.items() if not torch.equal(value, theirs[key])]


def _moved(checkpoint: dict) -> list[str]:
    """Weights that are not their moving average: the average is a network of its own."""
    average = {
        key.removeprefix('module.'): value for key, value in checkpoint['ema_state_dict'].items()
    }
    return _differing(checkpoint['state_dict'], average)


@pytest.mark.slow
def test_a_checkpoint_is_judged_as_in_training(data, tmp_path):
    """By its moving average, which it has as weights; twice the average would be another."""
    path = config('nasvit', data, tmp_path)
    _, scores = train(path, tmp_path / 'run')
    done = start('test', path, tmp_path / 'run/iter_4.pth', '--work-dir', tmp_path / 'test')
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (x for x in done.stdout.splitlines() if 'Iter(test)' in x and 'top1' in x)
    assert dict(re.findall(r'(\S+/accuracy/top1): ([\d.]+)', line)) == scores
    done = start(
        'test',
        path,
        tmp_path / 'run/iter_4.pth',
        '--work-dir',
        tmp_path / 'test',
        '--out',
        tmp_path / 'out',
    )
    assert '--out writes label maps, or detections' in error_line(done.returncode, done.stderr)


@pytest.mark.slow
def test_what_a_step_remembers_cannot_get_lost(data, tmp_path):
    """A config's own list of hooks is in the place of the supernet's; and a checkpoint without."""
    path = config('elasticvit', data, tmp_path)
    path.write_text(path.read_text().replace("    dict(type='nasvit_mm.SupernetState'),\n", ''))
    checkpoint, _ = train(path, tmp_path / 'run')
    assert checkpoint['supernet']['step'] == 4 and any(checkpoint['supernet']['sampler']['bank'])
    del checkpoint['supernet']
    torch.save(checkpoint, tmp_path / 'without.pth')
    done = start(
        'train', path, '--work-dir', tmp_path / 'again', '--resume', tmp_path / 'without.pth'
    )
    assert 'holds no state of a supernet' in error_line(done.returncode, done.stderr)


@pytest.mark.slow
def test_two_processes(data, tmp_path):
    """All subnets train, not the largest alone, as by mmengine's own wrapper."""
    path = config('nasvit', data, tmp_path)
    done = start('tools/dist_train.sh', path, 2, '--work-dir', tmp_path / 'run')
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if 'Iter(train)' in line]
    assert len(lines) == 4
    assert all(f'loss_{role}:' in line for line in lines for role in (LARGEST, SAMPLED, SMALLEST))
    checkpoint = torch.load(tmp_path / 'run/iter_4.pth', map_location='cpu', weights_only=False)
    assert checkpoint['supernet']['step'] == 4 and _moved(checkpoint)
    assert not any(key.startswith('module.') for key in checkpoint['state_dict'])


def test_the_step_cannot_be_gone_around():
    model = MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            sampler=dict(type='uniform'),
            model=dict(
                type='nasvit_mm.ImageClassifier',
                num_classes=3,
                space=dict(space='nasvit', restrict=dict(resolution=[32])),
            ),
        )
    )
    with pytest.raises(RuntimeError, match='SupernetParallel'):
        model(torch.zeros(2, 3, 32, 32), mode='loss')


@pytest.mark.slow
def test_a_full_disk_is_named(data, tmp_path):
    """The second checkpoint finds no space; the first stays, and the run goes on from it."""
    path = config('vitas_twins', data, tmp_path)
    limited = start('tests/test_tools/limited_train.py', path, '--work-dir', tmp_path / 'run')
    line = error_line(limited.returncode, limited.stderr)
    assert (
        f'no space left to write {tmp_path}' in line and 'iter_2.pth' in line and '--resume' in line
    )
    train(path, tmp_path / 'run', '--resume')


@pytest.mark.slow
def test_an_unreadable_picture_is_named(data, tmp_path):
    shutil.copytree(data, tmp_path / 'data')
    (tmp_path / 'data/train/b/3.png').write_bytes(b'no picture')
    path = config('vitas_twins', tmp_path / 'data', tmp_path)
    done = start(
        'train',
        path,
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        'train_dataloader.num_workers=1',
    )
    line = error_line(done.returncode, done.stderr)
    assert re.fullmatch(
        r'error: the image \S+b/3\.png cannot be read: .*; replace it or remove it '
        'from the folder',
        line,
    )
    assert done.stderr.rstrip().endswith(line)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('family', 'space', 'arch'),
    [
        ('nasvit', 'nasvit', 'nasvit_min'),
        ('elasticvit', 'elasticvit', 'elastic_S1'),
        ('vitas', 'vitas_deit_block', 'vitas_c'),
    ],
)
def test_evaluation_of_a_converted_subnet(family, space, arch, data, tmp_path):
    """tools/test.py with the classification configs: the accuracy of the plain network."""
    torch.manual_seed(1)
    net = create_model(space, arch, num_classes=3).eval()
    save_weights(tmp_path / 'subnet.pth', net.state_dict(), net.space, net.arch)
    done = start(
        'test',
        f'configs/cls/{family}_in1k.py',
        tmp_path / 'subnet.pth',
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        'model.num_classes=3',
        'test_cfg.num_calibration=0',
        f'test_dataloader.dataset.data_root={data}',
        'test_dataloader.num_workers=0',
        'test_dataloader.persistent_workers=False',
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = float(re.findall(r'largest/accuracy/top1: ([\d.]+)', done.stdout)[-1])
    folder = ImageFolder(
        str(data), 'val', dict(input_size=224, interpolation='bicubic', crop_pct=0.875)
    )
    with torch.no_grad():
        right = sum(int(net(x['inputs'][None]).argmax()) == x['labels'] for x in folder)
    assert found == pytest.approx(100 * right / len(folder), abs=0.01)


def test_missing_folder(tmp_path):
    path = config('vitas_twins', tmp_path / 'nowhere', tmp_path)
    done = start('train', path, '--work-dir', tmp_path / 'run')
    assert 'nowhere does not exist' in error_line(done.returncode, done.stderr)


def test_unknown_sampler(data, tmp_path):
    path = config('nasvit', data, tmp_path)
    done = start(
        'train',
        path,
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        'model.sampler.type=sandwitch',
    )
    line = error_line(done.returncode, done.stderr)
    assert "sampler type = 'sandwitch' (did you mean sandwich?), allowed: " in line


def test_evaluation_needs_no_teachers(data, tmp_path):
    path = config('nasvit', data, tmp_path)
    torch.save({}, tmp_path / 'empty.pth')
    done = start(
        'test',
        path,
        tmp_path / 'empty.pth',
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        'model.teachers=[no_such_model]',
        'model.distill.largest=teachers',
    )
    assert 'empty.pth holds no weights' in error_line(done.returncode, done.stderr)


def test_training_from_weights_of_another_network(data, tmp_path):
    """mmengine would go on at random; another head is what load_from is for."""
    path = config('nasvit', data, tmp_path)
    net = create_model('nasvit', 'nasvit_min', num_classes=3)
    torch.save(dict(state_dict=net.state_dict()), tmp_path / 'subnet.pth')
    done = start(
        'train',
        path,
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        f'load_from={tmp_path / "subnet.pth"}',
    )
    line = error_line(done.returncode, done.stderr)
    assert re.search(
        r'load_from = \S+subnet\.pth does not fit .* missing in the file, the first: '
        'model.backbone',
        line,
    )


@pytest.mark.parametrize(
    ('option', 'named'),
    [
        ('model.arch=nasvit_minn', "model.arch: unknown nasvit architecture 'nasvit_minn'"),
        ('model.space=nasvitt', "unknown space 'nasvitt'"),
    ],
)
def test_unknown_architecture_to_evaluate(option, named, tmp_path):
    done = start('test', 'configs/cls/nasvit_in1k.py', tmp_path / 'no.pth', '--cfg-options', option)
    line = error_line(done.returncode, done.stderr)
    assert named in line and 'did you mean nasvit' in line


def test_validation_of_a_subnet_outside_the_space(data, tmp_path):
    path = config('nasvit', data, tmp_path)
    done = start(
        'train',
        path,
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        'val_cfg.subnets=[nasvit_max]',
    )
    assert "val_cfg.subnets: unknown nasvit architecture 'nasvit_max'" in error_line(
        done.returncode, done.stderr
    )
