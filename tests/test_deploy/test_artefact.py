"""Artefacts: what is written is read, run by its runtime, and refused once it was changed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from nasvit_mm.deploy import Artefact, Predictor, check_target, get_runtime, make_artefact
from nasvit_mm.deploy.card import card_text
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.make import check_out
from nasvit_mm.deploy.runtimes import Torch, TorchCompiled
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.files import sha256
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
        assert artefact.measured['compared_images'] == 4
        for name, value in artefact.measured.items():
            assert f'- {name}: {value:.6g}' in text
        for digest in artefact.files.values():
            assert digest in text

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
    """In an environment of what the card installs, fetched from PyPI."""
    made = make_artefact(
        config('label map'), weights('label map', tmp_path), tmp_path / 'out', 'onnx', SIZE, name=''
    )
    Image.fromarray(images(1)[0]).save(tmp_path / 'a.png')
    python = tmp_path / 'env/bin/python'
    subprocess.run([sys.executable, '-m', 'venv', tmp_path / 'env'], check=True)
    text = (made.folder / 'README.md').read_text()
    (line,) = (line.strip() for line in text.splitlines() if 'pip install' in line)
    for command in line.split(' && '):
        given = [str(ROOT) if word == 'nasvit_mm' else word for word in command.split()]
        subprocess.run([python, '-m', *given, '-q'], check=True)
    code = (
        'import sys; from nasvit_mm import Predictor; '
        f'print(Predictor({str(made.folder)!r})({str(tmp_path / "a.png")!r}).shape, '
        "'torch' in sys.modules)"
    )
    done = subprocess.run(
        [python, '-c', code], cwd=tmp_path, env={}, capture_output=True, text=True
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


def test_a_provider_that_cannot_be_loaded(tmp_path, monkeypatch):
    """onnxruntime then runs by the CPU and says so in a log alone."""

    class Silent:
        def __init__(self, *args, **kwargs):
            pass

        def get_providers(self):
            return ['CPUExecutionProvider']

    written(tmp_path)
    known = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: known)
    monkeypatch.setattr(onnxruntime, 'InferenceSession', Silent)
    with pytest.raises(UsageError, match='has CUDAExecutionProvider, but cannot load it here'):
        Predictor(tmp_path, device='CUDAExecutionProvider')


def test_another_runtime_of_the_same_file(tmp_path, monkeypatch):
    used = []
    for runtime in (Torch, TorchCompiled):
        monkeypatch.setattr(runtime, 'load', lambda self, _: used.append(self.name))
    (tmp_path / 'model.pt2').write_bytes(b'')
    files = {'model.pt2': sha256(tmp_path / 'model.pt2')}
    written(tmp_path, runtime='torch', files=files)
    Predictor(tmp_path)
    Predictor(tmp_path, runtime='torch-compile')
    assert used == ['torch', 'torch-compile']
    with pytest.raises(UsageError, match=r"'onnx' does not run model.pt2; allowed: torch, torch-c"):
        Predictor(tmp_path, runtime='onnx')


class TestCard:
    def test_all_files_have_a_digest(self, tmp_path):
        files = {'model.xml': '01ab', 'model.bin': '23cd'}
        text = card_text(written(tmp_path, runtime='openvino', files=files))
        assert '`model.xml` (sha256 01ab) with `model.bin` (sha256 23cd) takes 1 RGB image' in text

    def test_logits_are_no_label_map(self, tmp_path):
        outputs = dict(logits=dict(shape=[1, 4, 32, 48], dtype='float32'))
        text = card_text(written(tmp_path, outputs=outputs))
        assert "logits = predictor(sys.argv[1])  # (classes, height, width) at the input's" in text
        assert 'labels =' not in text

    @pytest.mark.parametrize(
        ('runtime', 'task', 'needed'),
        [
            ('onnx', 'label map', 'onnxruntime'),
            ('litert', 'classes', 'ai-edge-litert'),
            ('torch', 'boxes', 'torch torchvision'),
        ],
    )
    def test_what_it_needs_is_one_command(self, tmp_path, runtime, task, needed):
        text = card_text(written(tmp_path, runtime=runtime, task=task))
        line = f'pip install --no-deps nasvit_mm && pip install numpy pillow {needed}\n'
        assert line in text


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

    @pytest.mark.parametrize(
        'content', ['{"format": 0}', '{', '{"format": 1}'], ids=['older', 'cut', 'keys missing']
    )
    def test_an_artefact_that_cannot_be_read_is_written_over_by_force(self, tmp_path, content):
        written(tmp_path)
        (tmp_path / 'deploy.json').write_text(content)
        with pytest.raises(UsageError, match='holds an artefact that cannot be read .*--force'):
            check_out(tmp_path, False)
        check_out(tmp_path, True)
        (tmp_path / 'thesis.tex').write_text('x')
        with pytest.raises(UsageError, match='holds something else than an artefact'):
            check_out(tmp_path, True)

    @pytest.mark.parametrize(
        ('runtime', 'precision', 'missing', 'said'),
        [
            ('onnx', 'int8', 'nncf', '--int8 needs nncf, .* pip install "nasvit_mm.deploy."'),
            ('litert', 'fp32', 'litert_torch', 'needs litert-torch, .*"nasvit_mm.mobile."'),
        ],
    )
    def test_what_writes_is_missing(self, monkeypatch, runtime, precision, missing, said):
        """It is said before the model is built."""
        monkeypatch.setitem(sys.modules, missing, None)
        kind = get_runtime(runtime)
        monkeypatch.setattr(kind, 'imported', classmethod(lambda cls: None))
        with pytest.raises(UsageError, match=said):
            check_target(kind, precision, 1, False, 4, runtime)

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
