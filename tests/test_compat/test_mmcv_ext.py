"""The stand-in for mmcv's compiled operations, against plain PyTorch references."""

import importlib.abc
import importlib.machinery
import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

import nasvit_mm
from nasvit_mm.compat import MissingOpError, install, mmcv_ext
from nasvit_mm.errors import UsageError

ROOT = Path(nasvit_mm.__file__).resolve().parents[1]
HAS_MMCV = importlib.util.find_spec('mmcv') is not None
HAS_COMPILED = HAS_MMCV and bool(
    list(Path(importlib.util.find_spec('mmcv').origin).parent.glob('_ext.*.so'))
)


@pytest.fixture(scope='module')
def ext() -> ModuleType:
    """The stand-in itself, also where this mmcv has compiled operations."""
    finder = mmcv_ext.StandInFinder()
    module = importlib.util.module_from_spec(finder.find_spec(mmcv_ext.NAME))
    finder.exec_module(module)
    return module


def run(code: str, *args: str) -> str:
    """Run `code` in a fresh interpreter, for imports happen once; return what it prints."""
    command = [sys.executable, '-c', textwrap.dedent(code), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- nms -------------------------------------------------------------------------------------


def reference_nms(boxes, scores, threshold, offset):
    order, kept = scores.argsort(descending=True).tolist(), []
    lengths = (boxes[:, 2:] - boxes[:, :2] + offset).clamp(min=0)
    areas = lengths.prod(1)
    while order:
        best = order.pop(0)
        kept.append(best)
        rest = torch.tensor(order, dtype=torch.long)
        near = torch.maximum(boxes[best, :2], boxes[rest, :2])
        far = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = (far - near + offset).clamp(min=0).prod(1)
        overlap = common / (areas[best] + areas[rest] - common)
        order = rest[overlap <= threshold].tolist()
    return torch.tensor(kept, dtype=torch.long)


def random_boxes(n, seed=0, levels=None):
    """Boxes and scores; equal scores where there are but some levels of them."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator) * 30
    size = torch.rand(n, 2, generator=generator) * 20 + 1
    scores = torch.rand(n, generator=generator)
    return torch.cat([corner, corner + size], 1), (
        scores if levels is None else (scores * levels).floor() / levels
    )


@pytest.mark.parametrize('levels', [None, 5, 1])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('n', [0, 1, 2, 100, 1000])
def test_nms_is_the_reference(ext, n, offset, levels):
    boxes, scores = random_boxes(n, levels=levels)
    kept = ext.nms(boxes, scores, iou_threshold=0.4, offset=offset)
    assert kept.dtype == torch.long
    assert torch.equal(kept, reference_nms(boxes, scores, 0.4, offset))


def test_nms_offset_changes_the_answer(ext):
    # Two boxes of one pixel side by side: with offset 1 they share half of 2 x 1 pixels.
    boxes = torch.tensor([[0.0, 0, 1, 0], [1.0, 0, 2, 0]])
    scores = torch.tensor([0.9, 0.8])
    assert ext.nms(boxes, scores, 0.3, offset=0).tolist() == [0, 1]
    assert ext.nms(boxes, scores, 0.3, offset=1).tolist() == [0]


def test_nms_leaves_its_boxes_alone(ext):
    boxes, scores = random_boxes(5)
    before = boxes.clone()
    ext.nms(boxes, scores, 0.5, offset=1)
    assert torch.equal(boxes, before)


@pytest.mark.skipif(not HAS_MMCV, reason='needs mmcv')
@pytest.mark.parametrize('n', [1, 60])
@pytest.mark.parametrize('split_thr', [10_000, 10])
def test_boxes_of_other_classes_do_not_compete(n, split_thr):
    """mmcv's batched_nms moves each class away from the others, or takes them one by one."""
    from mmcv.ops import batched_nms

    boxes, scores = random_boxes(n)
    classes = torch.arange(n) % 3
    found, kept = batched_nms(
        boxes, scores, classes, dict(type='nms', iou_threshold=0.4, split_thr=split_thr)
    )
    alone = [torch.nonzero(classes == c).flatten() for c in range(3)]
    expected = torch.cat([of[reference_nms(boxes[of], scores[of], 0.4, 0)] for of in alone])
    expected = expected[scores[expected].argsort(descending=True)]
    assert kept.tolist() == expected.tolist()
    torch.testing.assert_close(found, torch.cat([boxes, scores[:, None]], 1)[expected])
    assert n < 60 or len(kept) > len(reference_nms(boxes, scores, 0.4, 0))


# --- against mmcv's compiled operations, where they are installed -----------------------------


@pytest.fixture
def compiled() -> ModuleType:
    if not HAS_COMPILED:
        pytest.skip('this mmcv has no compiled operations')
    return importlib.import_module('mmcv._ext')


@pytest.mark.parametrize('levels', [None, 5, 1])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('n', [1, 100, 3000])
def test_nms_is_the_compiled_one(ext, compiled, n, offset, levels):
    boxes, scores = random_boxes(n, levels=levels)
    ours, theirs = (
        module.nms(boxes, scores, iou_threshold=0.4, offset=offset) for module in (ext, compiled)
    )
    assert torch.equal(ours, theirs)


MODEL_RUN = """
    import sys
    import torch
    from nasvit_mm.compat import mmcv_ext
    path, which, out = sys.argv[1:]
    if which == 'stand-in':
        sys.meta_path.insert(0, mmcv_ext.StandInFinder())
    import mmcv._ext
    assert mmcv_ext.is_stand_in(mmcv._ext) == (which == 'stand-in')

    from mmengine.config import Config
    from nasvit_mm.dense import build_model
    from tests.test_supernet.tasks import batch
    torch.manual_seed(0)
    cfg = Config.fromfile(path)
    cfg.model.test_cfg.get('rcnn', cfg.model.test_cfg).score_thr = 0.0
    model = build_model(cfg)
    model.init_weights()
    of = batch(model, (128, 192))
    losses = model.train()(**of, mode='loss')
    losses = {k: torch.as_tensor(sum(v) if isinstance(v, list) else v) for k, v in losses.items()}
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    found = dict(losses={k: v.detach() for k, v in losses.items()},
                 grads={k: p.grad for k, p in model.named_parameters() if p.grad is not None})
    with torch.no_grad():
        for i, p in enumerate(model.eval()(**of, mode='predict')):
            found[i] = {k: torch.as_tensor(v) for k, v in p.pred_instances.items()}
    torch.save(found, out)
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize('name', ['nasvit_coco', 'nasvit_coco_mask'])
def test_detectors_are_the_same_with_compiled_operations(compiled, tmp_path, name):
    """Losses, gradients and predictions of a whole RetinaNet and Mask R-CNN."""
    results = []
    for which in ('compiled', 'stand-in'):
        run(MODEL_RUN, f'configs/det/{name}.py', which, str(tmp_path / which))
        results.append(torch.load(tmp_path / which))
    assert len(results[0][0]['scores']) == 100
    assert all(g.abs().sum() > 0 for k, g in results[0]['grads'].items() if 'neck' in k)
    torch.testing.assert_close(*results, rtol=0, atol=0)


# --- the module ------------------------------------------------------------------------------


def test_an_unknown_op_raises_when_called_and_names_itself(ext):
    op = ext.nms_quadri  # resolving it is what mmcv does at import
    with pytest.raises(MissingOpError, match='nms_quadri.*: compile it .*: pip install') as caught:
        op(torch.zeros(1), kernel=3)
    assert isinstance(caught.value, UsageError) and '\n' not in str(caught.value)


def test_compiling_is_not_promised_to_help_where_mmcv_has_no_kernel(ext):
    with pytest.raises(MissingOpError, match='no kernel of it for a CPU, so compiling does not'):
        ext.line_nms_forward(torch.zeros(1, 77), torch.zeros(1), 0.5, 4)
    with pytest.raises(MissingOpError, match='compile it'):
        ext.line_nms_forward(SimpleNamespace(device=torch.device('cuda')))


def test_python_sees_no_names_with_underscores(ext):
    assert not hasattr(ext, '__path__') and not hasattr(ext, '_private')


def test_install_is_idempotent_and_comes_last():
    before = list(sys.meta_path)
    install()
    assert sys.meta_path == before
    assert sum(isinstance(f, mmcv_ext.StandInFinder) for f in sys.meta_path) == 1


def test_importing_the_package_installs_it_and_loads_neither_torch_nor_mmcv():
    code = """
    import sys, nasvit_mm
    print([name for name in ('torch', 'numpy', 'mmcv', 'mmengine') if name in sys.modules])
    print(*(type(finder).__name__ for finder in sys.meta_path[-2:]))
    """
    assert run(code).split() == ['[]', 'StandInFinder', 'DistributionFinder']


@pytest.mark.skipif(not HAS_MMCV, reason='needs mmcv')
def test_a_compiled_module_wins(monkeypatch):
    """A loader that stands earlier in meta_path, as the one for files does, is asked first."""

    class Compiled(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path=None, target=None):
            return importlib.machinery.ModuleSpec(name, self) if name == mmcv_ext.NAME else None

    monkeypatch.delitem(sys.modules, mmcv_ext.NAME, raising=False)
    monkeypatch.setattr(sys, 'meta_path', [Compiled(), *sys.meta_path])
    assert isinstance(importlib.util.find_spec(mmcv_ext.NAME).loader, Compiled)
