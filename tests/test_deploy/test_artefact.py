"""Artefacts: what is written is read, run by its runtime, and refused once it was changed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from nasvit_mm.deploy import Artefact, Predictor, make_artefact
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.errors import DataError, UsageError
from tests.commands import ROOT
from tests.test_deploy.models import SIZE, config, images, model, weights, written

onnxruntime = pytest.importorskip('onnxruntime')


@pytest.fixture(scope='module', params=['label map', 'boxes', 'classes'])
def deployed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('deployed')
    task = request.param
    written = make_artefact(
        config(task), weights(task, folder), folder / 'out', 'onnx', SIZE, name=task
    )
    return task, written


@pytest.mark.slow
class TestOfEveryTask:
    def test_outputs_are_those_of_the_model(self, deployed):
        task, artefact = deployed
        given = images(1)
        with torch.inference_mode():
            wanted = Graph(model(task), SIZE).eval()(torch.from_numpy(given))
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        found = Predictor(artefact.folder, threads=1).session.run(given)
        assert list(found) == list(artefact.outputs)
        for value, expected in zip(found.values(), wanted, strict=True):
            np.testing.assert_allclose(value, expected.numpy(), atol=2e-3)

    def test_comparison_is_on_the_card(self, deployed):
        _, artefact = deployed
        text = (artefact.folder / 'README.md').read_text()
        (name,) = artefact.measured.keys() - {'compared_images'}
        assert f'- {name}: {artefact.measured[name]:.6g}' in text
        assert artefact.digest in text

    def test_card_runs_without_torch_and_openmmlab(self, deployed, tmp_path):
        _, artefact = deployed
        text = (artefact.folder / 'README.md').read_text()
        code = text.split('```python\n')[1].split('```')[0]
        Image.fromarray(images(1)[0]).save(tmp_path / 'a.png')
        blocked = 'torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmdet', 'timm'
        head = f'import sys\nfor name in {blocked!r}: sys.modules[name] = None\n'
        done = subprocess.run(
            [sys.executable, '-c', head + code, str(tmp_path / 'a.png')],
            cwd=artefact.folder,
            env={'PYTHONPATH': str(ROOT), 'PATH': ''},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


@pytest.mark.nightly
def test_a_machine_with_nothing_else_installed(tmp_path):
    """In an environment of numpy, Pillow and the runtime, fetched from PyPI."""
    made = make_artefact(
        config('label map'), weights('label map', tmp_path), tmp_path / 'out', 'onnx', SIZE, name=''
    )
    Image.fromarray(images(1)[0]).save(tmp_path / 'a.png')
    python = tmp_path / 'env/bin/python'
    subprocess.run([sys.executable, '-m', 'venv', tmp_path / 'env'], check=True)
    subprocess.run(
        [python, '-m', 'pip', '-q', 'install', 'numpy', 'pillow', 'onnxruntime'], check=True
    )
    code = (
        'import sys; from nasvit_mm import Predictor; '
        f'print(Predictor({str(made.folder)!r})({str(tmp_path / "a.png")!r}).shape, '
        "'torch' in sys.modules)"
    )
    done = subprocess.run(
        [python, '-c', code], env={'PYTHONPATH': str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == f'{SIZE} False', done.stderr


def test_a_description_is_read_as_it_was_written(tmp_path):
    artefact = written(tmp_path, measured=dict(mIoU=50.0))
    assert Artefact.load(tmp_path) == artefact


def test_a_changed_model_file_is_refused(tmp_path):
    written(tmp_path)
    (tmp_path / 'model.onnx').write_bytes(b'another')
    with pytest.raises(UsageError, match='model.onnx is not the file that deploy.json describes'):
        Artefact.load(tmp_path)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (dict(format=99), 'format 99'),
        (dict(task='cats'), 'cats'),
        (dict(files={}), 'files are missing'),
        (dict(files={'../model.onnx': '0'}), 'outside of the folder'),
        (dict(files={'..': '0'}), 'outside of the folder'),
        (dict(files={'model.xml': '0'}), 'the weights of model.xml are not among the files'),
        (dict(input=dict(shape=[1, 'x', 48, 3])), 'input shape'),
        (dict(input=dict(shape=[10**9, 32, 48, 3])), 'input shape .*: too large'),
        (dict(input=dict(shape=[True, 32, 48, 3])), 'input shape'),
        (dict(input=dict(shape=[1, 32, 48, 4])), 'input shape'),
        (dict(runtime=['onnx']), 'runtime'),
        (dict(precision='fp64'), 'precision'),
        (dict(fill=[0, 0, 256]), 'fill'),
        (dict(outputs=dict(label_map=dict(shape=3, dtype='uint8'))), 'output'),
        (dict(classes=[None]), 'classes'),
        (dict(measured=[1]), 'measured'),
        (dict(input=None), 'no description of an artefact'),
        (dict(more=1), 'more'),
    ],
)
def test_a_malformed_description_is_refused(tmp_path, change, said):
    written(tmp_path)
    path = tmp_path / 'deploy.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UsageError, match=said):
        Artefact.load(tmp_path)


@pytest.mark.parametrize('text', ['{"format": 1', '[' * 100_000, '9' * 10_000, '\udcff'])
def test_a_text_that_is_no_description_is_refused(text, tmp_path):
    written(tmp_path)
    path = tmp_path / 'deploy.json'
    path.write_bytes(text.encode(errors='surrogateescape'))
    with pytest.raises(UsageError, match='deploy.json is no description of an artefact'):
        Artefact.load(tmp_path)


def test_names_of_classes_have_no_effect_on_a_terminal(tmp_path):
    predictor = object.__new__(Predictor)
    predictor.artefact = written(tmp_path, classes=['car', '\x1b[2Jsky'])
    assert predictor.classes == ['car', '\\x1b[2Jsky']


def test_a_folder_without_description(tmp_path):
    with pytest.raises(UsageError, match='is no artefact: it has no deploy.json'):
        Predictor(tmp_path)


def test_a_model_file_that_the_runtime_cannot_load(tmp_path):
    written(tmp_path)
    with pytest.raises(UsageError, match='model.onnx cannot be loaded'):
        Predictor(tmp_path)


def test_a_runtime_that_is_not_installed(tmp_path, monkeypatch):
    written(tmp_path)
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(UsageError, match=r'pip install "nasvit_mm\[deploy\]"'):
        Predictor(tmp_path)


def test_a_provider_that_is_not_here(tmp_path):
    written(tmp_path)
    with pytest.raises(UsageError, match='no provider TensorrtExecutionProvider here'):
        Predictor(tmp_path, device='TensorrtExecutionProvider')


class TestMaking:
    def test_a_folder_of_something_else_is_left_alone(self, tmp_path):
        (tmp_path / 'thesis.tex').write_text('x')
        with pytest.raises(UsageError, match='holds something else than an artefact'):
            make_artefact(config('classes'), 'w.pth', tmp_path, 'onnx', SIZE, name='x')
        assert (tmp_path / 'thesis.tex').read_text() == 'x'

    def test_an_artefact_is_written_over_by_force_only(self, tmp_path):
        written(tmp_path)
        with pytest.raises(UsageError, match='--force'):
            make_artefact(config('classes'), 'w.pth', tmp_path, 'onnx', SIZE, name='x')

    def test_an_unknown_runtime(self, tmp_path):
        with pytest.raises(UsageError, match="runtime = 'onx' .did you mean onnx?"):
            make_artefact(config('classes'), 'w.pth', tmp_path, 'onx', SIZE, name='x')

    def test_int8_without_training_images(self, tmp_path):
        with pytest.raises(UsageError, match='chooses its ranges by training images'):
            make_artefact(
                config('classes'),
                weights('classes', tmp_path),
                tmp_path / 'out',
                'onnx',
                SIZE,
                name='x',
                precision='int8',
            )
        assert not (tmp_path / 'out').exists()

    def test_a_precision_that_the_runtime_has_not(self, tmp_path):
        with pytest.raises(UsageError, match='onnx runs fp32, int8, not bf16'):
            make_artefact(
                config('classes'), 'w.pth', tmp_path, 'onnx', SIZE, name='x', precision='bf16'
            )


def test_an_image_that_cannot_be_read(tmp_path):
    from nasvit_mm.deploy.predictor import read_image

    (tmp_path / 'a.jpg').write_bytes(b'no image')
    with pytest.raises(DataError, match='a.jpg is no image'):
        read_image(tmp_path / 'a.jpg')
