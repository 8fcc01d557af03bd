"""tools/train.py and tools/test.py, as a user starts them."""

from __future__ import annotations

import runpy
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.commands import CONFIG, ROOT, begin, error_line, metrics, options, start


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nasvit_mm.demo_data import write_ade20k

    root = tmp_path_factory.mktemp('tools') / 'ADEChallengeData2016'
    write_ade20k(root, 6, 2, height=64, width=64, progress=False)
    return root


@pytest.fixture(scope='module')
def trained(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    work_dir = tmp_path_factory.mktemp('work_dir')
    return work_dir, start('train', CONFIG, '--work-dir', work_dir, *options(data))


@pytest.mark.slow
class TestRuns:
    def test_train(self, trained: tuple) -> None:
        work_dir, run = trained
        assert run.returncode == 0, run.stderr[-3000:]
        assert (work_dir / 'iter_4.pth').exists()
        assert 'Traceback' not in run.stderr

    def test_test_repeats_the_validation(self, trained: tuple, data: Path, tmp_path: Path) -> None:
        work_dir, run = trained
        again = start(
            'test',
            CONFIG,
            work_dir / 'iter_4.pth',
            '--work-dir',
            tmp_path,
            '--show-dir',
            tmp_path / 'shown',
            '--out',
            tmp_path / 'maps',
            *options(data),
        )
        assert again.returncode == 0, again.stderr[-3000:]
        assert metrics(run.stdout, 'val')['aAcc'] > 1
        assert metrics(again.stdout, 'test') == metrics(run.stdout, 'val')
        assert len(list((tmp_path / 'shown/vis_data/vis_image').glob('*.png'))) == 2
        assert len(list((tmp_path / 'maps').glob('*.png'))) == 2

    def test_killed_and_resumed(self, data: Path, tmp_path: Path) -> None:
        """Bit-equal to the uninterrupted run; with dropout, drop path, augmentation, workers."""
        more = [
            'default_hooks.checkpoint.interval=2',
            'train_cfg.val_interval=3',
            'model.backbone.drop_path_rate=0.3',
            'optim_wrapper.clip_grad.max_norm=0.1',
        ]
        workers = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True']
        whole = start('train', CONFIG, '--work-dir', tmp_path / 'whole', *options(data, 8, *more))
        assert whole.returncode == 0, whole.stderr[-3000:]

        broken = tmp_path / 'broken'
        process = begin('train', CONFIG, '--work-dir', broken, *options(data, 8, *more, *workers))
        pointer, patience = broken / 'last_checkpoint', time.monotonic() + 300
        while not (pointer.exists() and pointer.read_text().endswith('iter_4.pth')):
            assert process.poll() is None and time.monotonic() < patience
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (broken / 'iter_8.pth').exists(), 'it was too quick to be killed'
        pointer.write_text('')  # as a kill within the writing of it leaves it

        run = start('train', CONFIG, '--work-dir', broken, '--resume', *options(data, 8, *more))
        assert run.returncode == 0, run.stderr[-3000:]
        assert 'resumed epoch: 0, iter: 4' in run.stdout or 'iter: 6' in run.stdout
        ours, theirs = (
            torch.load(folder / 'iter_8.pth', weights_only=False)['state_dict']
            for folder in (broken, tmp_path / 'whole')
        )
        assert ours.keys() == theirs.keys()
        assert [k for k in ours if not torch.equal(ours[k], theirs[k])] == []
        first = torch.load(tmp_path / 'whole/iter_4.pth', weights_only=False)['state_dict']
        assert not torch.equal(
            first['decode_head.conv_seg.weight'], ours['decode_head.conv_seg.weight']
        ), 'it learned nothing'

    def test_two_processes(self, data: Path, tmp_path: Path) -> None:
        """On CPUs by gloo; mmengine's wrapper fails on any parameter without a gradient."""
        run = start('tools/dist_train.sh', CONFIG, 2, '--work-dir', tmp_path, *options(data))
        assert run.returncode == 0, run.stderr[-3000:]
        assert 'find_unused_parameters' not in (tmp_path / 'nasvit_demo.py').read_text()
        assert (tmp_path / 'iter_4.pth').exists()
        again = start(
            'tools/dist_test.sh',
            CONFIG,
            tmp_path / 'iter_4.pth',
            2,
            '--work-dir',
            tmp_path / 'test',
            *options(data),
        )
        assert again.returncode == 0, again.stderr[-3000:]
        alone = start(
            'test',
            CONFIG,
            tmp_path / 'iter_4.pth',
            '--work-dir',
            tmp_path / 'alone',
            *options(data),
        )
        assert metrics(alone.stdout, 'test') == metrics(again.stdout, 'test')
        assert metrics(run.stdout, 'val') == metrics(again.stdout, 'test')

    def test_cityscapes_layout(self, tmp_path: Path) -> None:
        """The shipped config over a folder in Cityscapes' layout, but for the length."""
        from nasvit_mm.demo_data import write_cityscapes

        write_cityscapes(tmp_path / 'data', 2, 1, height=64, width=128, progress=False)
        run = start(
            'train',
            'configs/seg/nasvit_cityscapes.py',
            '--work-dir',
            tmp_path / 'work',
            *options(tmp_path / 'data', 2, 'train_dataloader.batch_size=1'),
        )
        assert run.returncode == 0, run.stderr[-3000:]
        assert metrics(run.stdout, 'val')['aAcc'] > 0

    @pytest.mark.parametrize(
        ('folder', 'workers'), [('annotations', 0), ('annotations', 1), ('images', 0)]
    )
    def test_a_broken_file(self, folder: str, workers: int, data: Path, tmp_path: Path) -> None:
        """PIL's message tells no name."""
        shutil.copytree(data, tmp_path / 'data')
        path = sorted((tmp_path / 'data' / folder / 'training').iterdir())[0]
        path.write_bytes(path.read_bytes()[:40])
        run = start(
            'train',
            CONFIG,
            '--work-dir',
            tmp_path / 'work',
            *options(tmp_path / 'data', 4, f'train_dataloader.num_workers={workers}'),
        )
        assert str(path) in error_line(run.returncode, run.stderr)

    def test_a_label_out_of_range(self, data: Path, tmp_path: Path) -> None:
        shutil.copytree(data, tmp_path / 'data')
        for path in (tmp_path / 'data/annotations/training').iterdir():
            Image.new('L', (64, 64), 151).save(path)
        run = start('train', CONFIG, '--work-dir', tmp_path, *options(tmp_path / 'data'))
        message = error_line(run.returncode, run.stderr)
        assert 'annotations/training/' in message and '151 (less 1, by reduce_zero' in message
        assert 'the head knows 0 to 149' in message

    def test_image_demo(self, trained: tuple, data: Path, tmp_path: Path) -> None:
        checkpoint = trained[0] / 'iter_4.pth'
        run = start(
            'demo/image_demo.py',
            data / 'images/validation',
            CONFIG,
            '--weights',
            checkpoint,
            '--out-dir',
            tmp_path,
        )
        assert run.returncode == 0, run.stderr[-3000:]
        names = {path.stem for path in (data / 'images/validation').iterdir()}
        assert {path.stem for path in (tmp_path / 'vis').iterdir()} == names
        assert len(list((tmp_path / 'pred').iterdir())) == len(names)
        run = start(
            'demo/image_demo.py',
            data / 'images/validation',
            CONFIG,
            '--weights',
            checkpoint,
            '--cfg-options',
            'model.decode_head.channels=32',
        )
        assert 'does not fit' in error_line(run.returncode, run.stderr)

    def test_tensorboard(self, data: Path, tmp_path: Path) -> None:
        run = start('train', CONFIG, '--work-dir', tmp_path, '--tensorboard', *options(data, 2))
        if find_spec('tensorboard') is None:
            assert 'pip install tensorboard' in error_line(run.returncode, run.stderr)
        else:
            assert run.returncode == 0, run.stderr[-3000:]
            assert list(tmp_path.rglob('events.out.tfevents.*'))

    def test_checkpoint_of_another_architecture(
        self, trained: tuple, data: Path, tmp_path: Path
    ) -> None:
        run = start(
            'test',
            CONFIG,
            trained[0] / 'iter_4.pth',
            '--work-dir',
            tmp_path,
            *options(data, 4, 'model.backbone.arch=nnmeter_search_240m'),
        )
        message = error_line(run.returncode, run.stderr)
        assert 'does not fit' in message and 'backbone.' in message
        assert "expects nasvit_mm.NASViT 'nnmeter_search_240m'" in message
        assert "trained with nasvit_mm.NASViT 'nasvit_min'" in message

    def test_exit_code_and_no_traceback(self, tmp_path: Path) -> None:
        run = start('train', CONFIG, '--work-dir', tmp_path, *options(tmp_path / 'absent'))
        assert str(tmp_path / 'absent') in error_line(run.returncode, run.stderr)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path):
    """Call a tool in this process, for mistakes that it must see before it builds anything."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv('RANK', raising=False)
    monkeypatch.setenv('LOCAL_RANK', '0')

    def call(tool: str, *arguments: str | Path) -> str:
        where = ['--work-dir', str(tmp_path / 'work_dir')]
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments), *where])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / 'tools' / f'{tool}.py'), run_name='__main__')
        assert not (tmp_path / 'work_dir').exists(), 'the runner was built'
        return error_line(stop.value.code, capsys.readouterr().err)

    return call


class TestMistakes:
    def test_unknown_config(self, refused) -> None:
        message = refused('train', 'configs/seg/nasvit_ade2k.py')
        assert 'configs/seg/nasvit_ade2k.py does not exist' in message
        assert 'configs/seg/nasvit_ade20k.py' in message

    def test_unknown_architecture(self, refused, data: Path) -> None:
        message = refused('train', CONFIG, *options(data, 4, 'model.backbone.arch=nasvit_mni'))
        assert 'model.backbone.arch' in message and 'did you mean nasvit_min' in message

    def test_missing_data(self, refused, tmp_path: Path) -> None:
        absent = tmp_path / 'absent'
        message = refused('train', CONFIG, *options(absent))
        assert str(absent) in message and 'train_dataloader.dataset.data_root=' in message

    def test_another_layout(self, refused, tmp_path: Path) -> None:
        (tmp_path / 'images').mkdir()
        message = refused('train', CONFIG, *options(tmp_path))
        assert str(tmp_path / 'images/training') in message and 'layout' in message

    def test_another_suffix(self, refused, data: Path) -> None:
        given = options(data, 4, 'val_dataloader.dataset.img_suffix=.tif')
        message = refused('train', CONFIG, *given)
        assert "images/validation ends in '.tif'" in message and '.jpg' in message

    def test_empty_folder(self, refused, tmp_path: Path) -> None:
        (tmp_path / 'images/training').mkdir(parents=True)
        assert 'images/training is empty' in refused('train', CONFIG, *options(tmp_path))

    @pytest.mark.parametrize('tool', ['train', 'test'])
    def test_missing_checkpoint(self, tool: str, refused, data: Path, tmp_path: Path) -> None:
        absent = tmp_path / 'iter_9.pth'
        given = ['--resume', absent] if tool == 'train' else [absent]
        message = refused(tool, CONFIG, *given, *options(data))
        assert f'{absent} does not exist' in message

    @pytest.mark.skipif(torch.cuda.is_available(), reason='works there')
    def test_amp_without_gpu(self, refused, data: Path) -> None:
        assert '--amp needs a GPU' in refused('train', CONFIG, '--amp', *options(data))

    def test_shorter_than_its_warm_up(self, refused, data: Path) -> None:
        given = [o for o in options(data) if not o.startswith('param_scheduler')]
        message = refused('train', CONFIG, *given)
        assert 'the run is of 4 iterations: give --fit-schedule' in message

    def test_launcher_without_its_variables(self, refused, data: Path, monkeypatch) -> None:
        monkeypatch.delenv('WORLD_SIZE', raising=False)
        message = refused('train', CONFIG, '--launcher', 'pytorch', *options(data))
        assert 'torchrun' in message
