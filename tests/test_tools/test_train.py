"""tools/train.py and tools/test.py, as a user starts them."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'configs/demo/nasvit_demo.py'


def start(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / 'tools' / f'{tool}.py'), *map(str, arguments)]
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def options(data: Path, iterations: int = 4, *more: str) -> list[str]:
    loaders = [f'{split}_dataloader' for split in ('train', 'val', 'test')]
    return ['--cfg-options', f'train_cfg.max_iters={iterations}',
            f'train_cfg.val_interval={iterations}', 'train_dataloader.batch_size=2',
            'param_scheduler.0.end=1', 'param_scheduler.1.begin=1',
            # So few iterations must still teach it something, else all scores are 0 and equal.
            'param_scheduler.0.start_factor=1.0', 'optim_wrapper.optimizer.lr=0.01',
            *[f'{loader}.{key}' for loader in loaders for key in
              (f'dataset.data_root={data}', 'num_workers=0', 'persistent_workers=False')], *more]


def metrics(output: str, split: str) -> dict[str, float]:
    line = [line for line in output.splitlines() if f'Iter({split})' in line and 'mIoU' in line][-1]
    return {name: float(re.search(rf'{name}: ([\d.]+)', line)[1])
            for name in ('aAcc', 'mIoU', 'mAcc')}


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nasvit_mm.datasets import write_ade20k
    root = tmp_path_factory.mktemp('tools') / 'ADEChallengeData2016'
    write_ade20k(root, 6, 2, height=64, width=64, progress=False)
    return root


@pytest.fixture(scope='module')
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory
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
        again = start('test', CONFIG, work_dir / 'iter_4.pth', '--work-dir', tmp_path, '--show-dir',
                      tmp_path / 'shown', '--out', tmp_path / 'maps', *options(data))
        assert again.returncode == 0, again.stderr[-3000:]
        assert metrics(run.stdout, 'val')['aAcc'] > 1
        assert metrics(again.stdout, 'test') == metrics(run.stdout, 'val')
        assert len(list((tmp_path / 'shown/vis_data/vis_image').glob('*.png'))) == 2
        assert len(list((tmp_path / 'maps').glob('*.png'))) == 2

    def test_resume(self, trained: tuple, data: Path) -> None:
        work_dir, _ = trained
        run = start('train', CONFIG, '--work-dir', work_dir, '--resume', *options(data, 6))
        assert run.returncode == 0, run.stderr[-3000:]
        assert 'resumed epoch: 0, iter: 4' in run.stdout
        assert (work_dir / 'iter_6.pth').exists()

    def test_checkpoint_of_another_architecture(self, trained: tuple, data: Path,
                                                tmp_path: Path) -> None:
        run = start('test', CONFIG, trained[0] / 'iter_4.pth', '--work-dir', tmp_path,
                    *options(data, 4, 'model.backbone.arch=nnmeter_search_240m'))
        message = error_line(run.returncode, run.stderr)
        assert 'does not fit' in message and 'backbone.' in message
        assert "expects nasvit_mm.NASViT 'nnmeter_search_240m'" in message
        assert "trained with nasvit_mm.NASViT 'nasvit_min'" in message

    def test_exit_code_and_no_traceback(self, tmp_path: Path) -> None:
        run = start('train', CONFIG, '--work-dir', tmp_path, *options(tmp_path / 'absent'))
        assert str(tmp_path / 'absent') in error_line(run.returncode, run.stderr)


def error_line(code: int, stderr: str) -> str:
    """The one error line of a command that ended as a mistake of its user."""
    assert code == 2, stderr[-3000:]
    assert 'Traceback' not in stderr
    lines = [line for line in stderr.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path):
    """Call a tool in this process, for mistakes that it must see before it builds anything."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
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
        assert 'max_iters = 4' in message and 'param_scheduler.1.begin=1' in message

    def test_launcher_without_its_variables(self, refused, data: Path, monkeypatch) -> None:
        monkeypatch.delenv('WORLD_SIZE', raising=False)
        message = refused('train', CONFIG, '--launcher', 'pytorch', *options(data))
        assert 'torchrun' in message
