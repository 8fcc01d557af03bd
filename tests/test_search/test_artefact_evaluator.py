"""The metric of a subnet as an artefact: by its runtime, at its precision."""

from __future__ import annotations

import pytest

from nasvit_mm.deploy import get_runtime
from nasvit_mm.errors import UsageError
from nasvit_mm.search import build_evaluator
from nasvit_mm.search.evaluators import describe_evaluator
from nasvit_mm.spaces import get_space
from tests.test_search.test_supernet_evaluator import SPACE, evaluator, files  # noqa: F401

SIZE = (64, 96)


def options(files: dict[str, str], **changed) -> dict:  # noqa: F811
    given = dict(
        type='ArtefactEvaluator', input_size=SIZE, split='held_out', num_calibration=2, threads=1
    )
    return dict(given, **files, **changed)


@pytest.mark.slow
def test_a_float_artefact_has_the_metric_of_the_subnet(files):  # noqa: F811
    space = get_space(SPACE)
    given = options(files, runtime='onnx', precision='fp32')
    found = build_evaluator(given, space)(space.smallest)
    wanted = evaluator(files)(space.smallest)
    assert set(found) == {f'fp32/{name}' for name in wanted}
    assert found['fp32/mIoU'] == pytest.approx(wanted['mIoU'], abs=0.1)


@pytest.mark.nightly
def test_an_int8_artefact_has_a_metric(files):  # noqa: F811
    """The same one whenever it is asked for."""
    space = get_space(SPACE)
    built = build_evaluator(options(files, calibrate=2), space)
    found = built(space.smallest)
    assert found['int8/mIoU'] > 0
    built(space.largest)
    assert built(space.smallest) == found


def test_weights_and_data_are_in_the_identity(files):  # noqa: F811
    one = describe_evaluator(options(files))
    of_supernet = options(files)
    for key in ('input_size', 'threads'):
        del of_supernet[key]
    version = one.pop('version')
    assert one == describe_evaluator(dict(of_supernet, type='SupernetEvaluator'))
    assert version == get_runtime('openvino').version()


def test_what_is_tried_by_advise(files):  # noqa: F811
    built = build_evaluator(options(files, calibrate=3), get_space(SPACE))
    tried = list(built.cheaper())
    assert [t['calibrate'] for t in tried if 'calibrate' in t] == [1, 2]
    assert not any('dtype' in change for change in tried)


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        (dict(runtime='openvno'), 'openvno.*openvino'),
        (dict(runtime='onnx', precision='bf16'), 'onnx runs fp32, int8, not bf16'),
        (dict(input_size=(0, 96)), r'a side = 0, expected'),
        (dict(input_size=None), 'input_size = None, expected'),
        (dict(calibrate=0), 'calibrate = 0, expected'),
    ],
)
def test_mistakes_before_the_supernet_is_built(changed, said):
    missing = dict(config='none.py', checkpoint='none.pth')
    with pytest.raises(UsageError, match=said):
        build_evaluator(options(missing, **changed), get_space(SPACE))
