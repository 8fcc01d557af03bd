"""An artefact is compared with its model, whatever it takes at once; what is wrong is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nasvit_mm.dense import build_model
from nasvit_mm.deploy import Artefact, make_artefact
from nasvit_mm.deploy.compare import Comparison, compared, verdict
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.runtimes import Torch
from nasvit_mm.errors import UsageError
from tests.families import randomised
from tests.test_deploy.models import SIZE, convolutions, images, written

Run = Callable[[np.ndarray], dict[str, np.ndarray]]


class Detector:
    """A graph whose one object has the colour of the first pixel."""

    task, output_names, masks, logits = 'boxes', ['boxes', 'scores', 'labels'], None, False

    def __call__(self, given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        box = given[:, 0, 0].float()  # (N, 3)
        boxes = torch.cat([torch.zeros(len(box), 1), box], 1)[:, None]
        scores, labels = torch.full((len(box), 1), 0.5), torch.zeros(len(box), 1).int()
        return tuple(torch.cat([x, x * 0], 1) for x in (boxes, scores, labels))


class Classifier:
    task, output_names, logits = 'classes', ['scores'], False

    def __call__(self, given: torch.Tensor) -> torch.Tensor:
        return given[:, 0, 0].float().softmax(1)


def running(graph: Callable) -> Run:
    """Return what a right runtime does."""

    def run(given: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            found = graph(torch.from_numpy(given))
        found = found if isinstance(found, tuple) else (found,)
        return {name: value.numpy() for name, value in zip(graph.output_names, found)}

    return run


@pytest.fixture(scope='module')
def segmentor() -> Graph:
    torch.manual_seed(0)
    built = randomised(build_model(convolutions())).eval()
    torch.nn.init.normal_(built.decode_head.conv_seg.weight)
    return Graph(built, SIZE).eval()


@pytest.fixture
def against(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Comparison]:
    """Compare a graph with what a function gives in the runtime's place."""

    def compare(graph, run: Run, batch: int | None = 1, **description) -> Comparison:
        artefact = written(tmp_path, input=dict(shape=[batch, *SIZE, 3]), **description)
        session = SimpleNamespace(run=run)
        monkeypatch.setattr('nasvit_mm.deploy.compare.open_artefact', lambda *_: session)
        return compared(artefact, graph, images(4))

    return compare


def spoiled(run: Run, image: int, name: str, add: float) -> Run:
    """Let a runtime be wrong for one image, wherever it is in a batch."""
    bad = images(4)[image]

    def wrong(given: np.ndarray) -> dict[str, np.ndarray]:
        found = run(given)
        here = [index for index, each in enumerate(given) if np.array_equal(each, bad)]
        found[name][here] += np.array(add, found[name].dtype)
        return found

    return wrong


@pytest.mark.parametrize('batch', [1, 3, 4, 8, None])
def test_every_image_is_compared(segmentor: Graph, against: Callable, batch: int | None) -> None:
    right = against(segmentor, running(segmentor), batch)
    assert right.measured == dict(equal_labels=1.0, compared_images=4)
    assert right.equal == 1
    for image in range(4):
        run = spoiled(running(segmentor), image, 'label_map', 1)
        assert against(segmentor, run, batch).equal < 0.9


def test_every_place_of_a_batch_is_compared(against: Callable) -> None:
    def run(given: np.ndarray) -> dict[str, np.ndarray]:
        found = running(Classifier())(given)
        found['scores'][7] = 0
        return found

    assert against(Classifier(), run, 8).equal == 7 / 8


@pytest.mark.parametrize(
    ('name', 'add', 'equal'),
    [('scores', 0, 1), ('scores', -0.1, 0.75), ('boxes', 20, 0.75), ('labels', 1, 0.75)],
)
def test_boxes_and_labels_are_compared(
    against: Callable, name: str, add: float, equal: float
) -> None:
    found = against(Detector(), spoiled(running(Detector()), 2, name, add))
    assert found.measured['equal_boxes'] == found.equal == equal
    assert found.measured['compared_boxes'] == 4


def test_a_detector_that_sees_nothing_was_not_compared(tmp_path: Path, against: Callable) -> None:
    class Blind(Detector):
        def __call__(self, given: torch.Tensor) -> tuple[torch.Tensor, ...]:
            boxes, scores, labels = super().__call__(given)
            return boxes, scores * 0, labels

    found = against(Blind(), running(Blind()))
    assert found.measured['compared_boxes'] == 0
    (remark,) = verdict(written(tmp_path), found, ['torch'])
    assert 'sees no object in the 4 images' in remark


def test_labels_that_are_equally_good_are_not_wrong(
    segmentor: Graph, against: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits that differ by rounding alone have no order."""
    level = torch.ones(1, 4, *SIZE)
    monkeypatch.setattr(Graph, 'class_logits', lambda self, given: level)
    found = against(segmentor, spoiled(running(segmentor), 0, 'label_map', 1))
    assert found.measured['equal_labels'] == 0.75
    assert found.equal == 1


@pytest.mark.parametrize(
    ('change', 'fp32', 'int8'),
    [
        (lambda logits: logits * 1.0001, 1, 1),
        (lambda logits: logits * 1.1, 0, 1),  # with the same labels
        (lambda logits: logits * np.nan, 0, None),
    ],
)
def test_logits_are_compared(
    segmentor: Graph, against: Callable, change: Callable, fp32: float, int8: float | None
) -> None:
    graph = Graph(segmentor.model, SIZE, logits=True).eval()

    def run(given: np.ndarray) -> dict[str, np.ndarray]:
        return {name: change(value) for name, value in running(graph)(given).items()}

    assert against(graph, run).equal == pytest.approx(fp32, abs=0.01)
    if int8 is not None:
        assert against(graph, run, precision='int8').equal == int8


def test_no_number_is_no_score(against: Callable) -> None:
    assert against(Classifier(), spoiled(running(Classifier()), 0, 'scores', np.nan)).equal == 0.75


def test_a_runtime_that_reads_what_it_has_not_written_is_refused(
    segmentor: Graph, against: Callable
) -> None:
    """As OpenVINO does in int8 where it fuses two layers: new memory is what it was before."""

    def run(given: np.ndarray) -> dict[str, np.ndarray]:
        found = running(segmentor)(given)
        found['label_map'][:, :4] += np.empty(10**7, np.uint8)[-1]
        return found

    with pytest.raises(UsageError, match='--to onnx: in fp32 the artefact answers otherwise each'):
        against(segmentor, run)


class TestVerdict:
    def said(self, folder: Path, equal: float, precision: str = 'fp32') -> list[str]:
        found = Comparison(dict(compared_images=4), 'labels', equal)
        return verdict(written(folder, precision=precision), found, ['openvino', 'torch'])

    def test_equal(self, tmp_path: Path) -> None:
        assert self.said(tmp_path, 1.0) == self.said(tmp_path, 0.95, 'int8') == []

    def test_not_quite(self, tmp_path: Path) -> None:
        (remark,) = self.said(tmp_path, 0.95)
        assert '95 % of the labels of 4 images are those of PyTorch' in remark
        assert '--to openvino or --to torch' in remark

    def test_another_function(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match='not the model, and nothing was written: 50 %'):
            self.said(tmp_path, 0.5)

    def test_int8_that_loses_much(self, tmp_path: Path) -> None:
        (remark,) = self.said(tmp_path, 0.5, 'int8')
        assert remark.startswith('in int8 50 % of the labels')
        assert '--max-drop' in remark


class TestMaking:
    """Of a small segmentor, for PyTorch: no runtime is needed."""

    @pytest.fixture(autouse=True)
    def one_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr('nasvit_mm.deploy.runtimes.available_cores', lambda: 1)

    def make(self, folder: Path, cfg=None) -> Artefact:
        cfg = cfg or convolutions()
        torch.manual_seed(0)
        built = randomised(build_model(cfg))
        torch.nn.init.normal_(built.decode_head.conv_seg.weight)
        torch.save(built.state_dict(), folder / 'weights.pth')
        return make_artefact(
            cfg, str(folder / 'weights.pth'), folder / 'out', 'torch', SIZE, name='x'
        )

    def test_a_runtime_that_computes_something_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        right = Torch.run
        monkeypatch.setattr(
            Torch, 'run', lambda *args: {k: (v + 1) % 4 for k, v in right(*args).items()}
        )
        with pytest.raises(UsageError, match='--to torch: the artefact is not the model'):
            self.make(tmp_path)
        assert not (tmp_path / 'out').exists()

    def test_windows_that_the_artefact_does_not_predict(self, tmp_path: Path) -> None:
        cfg = convolutions()
        cfg.model.test_cfg = dict(mode='slide', crop_size=(32, 32), stride=(20, 20))
        made = self.make(tmp_path, cfg)
        (remark,) = made.remarks
        assert "test_cfg.mode = 'slide' predicts windows of 32 x 32" in remark
        assert Artefact.load(made.folder).remarks == [remark]
        assert f'- {remark}' in (made.folder / 'README.md').read_text()


def test_a_window_as_large_as_the_image_is_the_image() -> None:
    cfg = convolutions()
    cfg.model.test_cfg = dict(mode='slide', crop_size=SIZE, stride=(20, 20))
    assert Graph(build_model(cfg), SIZE).remarks == []
