"""tools/get_flops.py and tools/benchmark.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nasvit_mm.cost import count
from tests.commands import CONFIG, ROOT, error_line, start


def report(tool: str, *arguments: str | Path) -> dict:
    run = start(tool, *arguments, '--json')
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def mmseg_config(name: str) -> str:
    """A config that mmseg brings along."""
    import mmseg

    return str(Path(mmseg.__file__).parent / '.mim/configs' / name)


def test_parts_of_our_config() -> None:
    found = report('get_flops', 'configs/seg/nasvit_ade20k.py', '--shape', '512', '768')
    closed = count(
        'nasvit', 'nasvit_like_421m', (512, 768), part='backbone', out_indices=(1, 2, 3, 4)
    )
    assert found['input_size'] == [512, 768]
    assert found['macs']['backbone'] == closed.macs
    assert found['params']['backbone'] == closed.params
    # SegformerHead by hand: 1x1 of every level to 256, of all to 256, of these to the classes.
    levels = zip((32, 64, 160, 208), (64 * 96, 32 * 48, 16 * 24, 8 * 12), strict=True)
    head = sum(c * 256 * n for c, n in levels) + (4 * 256 * 256 + 256 * 150) * 64 * 96
    assert found['macs']['head'] == head
    assert found['total_macs'] == head + closed.macs


def test_another_architecture() -> None:
    """Of a config of one, and of a supernet's; the closed forms say the same."""
    from mmengine.config import Config

    from nasvit_mm.search import read_task

    for config, arch in (
        ('configs/seg/nasvit_ade20k.py', 'nasvit_min'),
        ('configs/supernet/nasvit_ade20k_supernet.py', 'smallest'),
    ):
        found = report('get_flops', config, '--arch', arch, '--shape', '96', '128')
        task, _ = read_task(Config.fromfile(ROOT / config))
        total = task.total(task.space.genes([task.space.arch(arch)]), (96, 128))
        assert (found['total_macs'], found['total_params']) == (total.macs[0], total.params[0])
    run = start('get_flops', 'configs/seg/nasvit_ade20k.py', '--arch', 'nasvit_a9')
    assert '--arch: ' in (line := error_line(run.returncode, run.stderr)) and 'nasvit_a9' in line
    run = start('get_flops', 'configs/supernet/nasvit_in1k_supernet.py')
    assert 'is of a nasvit_mm.ImageClassifier' in error_line(run.returncode, run.stderr)


# Figures of the literature: SiConMo's table (SegFormer), DDRNet's at 1024 x 2048.
@pytest.mark.parametrize(
    ('config', 'shape', 'gmacs'),
    [
        ('segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py', (512, 512), 8.4),
        ('segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py', (512, 1024), 17.7),
        ('ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py', (1024, 2048), 36.3),
    ],
)
def test_models_of_mmseg(config: str, shape: tuple[int, int], gmacs: float) -> None:
    found = report('get_flops', mmseg_config(config), '--shape', *map(str, shape))
    assert found['total_macs'] / 1e9 == pytest.approx(gmacs, rel=0.01)


def test_table() -> None:
    run = start('get_flops', CONFIG)
    assert run.returncode == 0, run.stderr[-3000:]
    rows = [line for line in run.stdout.splitlines() if '│' in line]
    assert [row.split()[1] for row in rows] == ['backbone', 'head', 'total']


@pytest.mark.parametrize('shape', [['16', '64'], ['1', '2', '3']])
def test_impossible_shape(shape: list[str]) -> None:
    run = start('get_flops', CONFIG, '--shape', *shape)
    assert '--shape' in error_line(run.returncode, run.stderr)


def test_channels_of_another_architecture() -> None:
    run = start('get_flops', CONFIG, '--cfg-options', 'model.backbone.arch=nasvit_max')
    message = error_line(run.returncode, run.stderr)
    assert 'decode_head.in_channels' in message and '[40, 72, 184, 224]' in message


@pytest.mark.slow
def test_benchmark(tmp_path: Path) -> None:
    graph = tmp_path / 'model.onnx'
    found = report(
        'benchmark',
        CONFIG,
        '--shape',
        '64',
        '96',
        '--rounds',
        '2',
        '--batch-size',
        '3',
        '--threads',
        '1',
        '--device',
        'cpu',
        '--onnx',
        graph,
    )
    assert found['backends'].keys() == {'pytorch', 'onnxruntime'}
    for row in found['backends'].values():
        assert 0 < row['p10_ms'] <= row['median_ms'] <= row['p90_ms']
        assert row['peak_memory_mib'] >= 0
    assert found['backends']['pytorch']['peak_memory_mib'] > 0
    assert 0 < found['difference'] < 1e-4
    assert graph.stat().st_size > 1000


def test_benchmark_without_a_gpu() -> None:
    run = start('benchmark', CONFIG, '--device', 'cuda:7')
    assert 'cuda:7' in error_line(run.returncode, run.stderr)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ['--build-table', 'table.json', '--channels-last'],
            '--channels-last does not go with --build-table',
        ),
        (
            ['--build-table', 'table.json', '--backends', 'compile'],
            '--backends does not go with --build-table',
        ),
        (['--runtime', 'onnx'], '--runtime is of a latency table: --build-table FILE'),
        (
            ['--build-table', 'table.json', '--read-times', 'times.json', '--precision', 'int8'],
            '--precision does not go with --read-times, whose kit says it',
        ),
        (['--write-kit', 'kit', '--runtime', 'torch'], "--runtime = 'torch', allowed: onnx"),
        (['--write-kit', '/', '--runtime', 'onnx'], '--write-kit / is not empty: give another'),
        (['--build-table', 'table.json', '--runtime', 'onx'], "runtime = 'onx'"),
        (
            ['--build-table', 'table.json', '--runtime', 'litert', '--precision', 'int8'],
            'litert runs fp32, not int8',
        ),
        (['--rounds', '0'], '--rounds 0: expected at least 1'),
        (['--threads', '0'], '--threads 0: expected at least 1'),
    ],
)
def test_arguments_that_do_not_go(arguments: list[str], message: str) -> None:
    run = start('benchmark', CONFIG, *arguments)
    assert message in error_line(run.returncode, run.stderr)


@pytest.mark.parametrize('tool', ['get_flops', 'benchmark'])
def test_a_search_is_no_model(tool: str) -> None:
    run = start(tool, 'configs/search/nasvit_ade20k_5g_search.py')
    line = error_line(run.returncode, run.stderr)
    assert 'is the config of a search' in line and 'its task is ../seg/nasvit_ade20k.py' in line


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_launch_scripts_tell_their_usage(script: str) -> None:
    run = start(f'tools/{script}', CONFIG)
    assert run.returncode == 2 and f'usage: tools/{script}' in run.stderr


def test_slurm_command(tmp_path: Path) -> None:
    """With a srun that says what it was asked for."""
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho "$@"\n')
    srun.chmod(0o755)
    import os
    import subprocess

    env = dict(
        os.environ,
        PATH=f'{tmp_path}:{os.environ["PATH"]}',
        GPUS='16',
        PYTHON='python',
        SRUN_ARGS='--qos=high --time=60',
    )
    run = subprocess.run(
        [ROOT / 'tools/slurm_train.sh', 'gpu', 'job', CONFIG, '--amp'],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [
        '--partition',
        'gpu',
        '--job-name',
        'job',
        '--ntasks',
        '16',
        '--gres',
        'gpu:8',
        '--ntasks-per-node',
        '8',
        '--cpus-per-task',
        '5',
        '--kill-on-bad-exit=1',
        '--qos=high',
        '--time=60',
        'python',
        '-u',
        str(ROOT / 'tools/train.py'),
        CONFIG,
        '--launcher',
        'slurm',
        '--amp',
    ]
