"""A trained model as an artefact that a device runs: graph, runtimes, int8, what it takes in time.

Its names load what they need when they are asked for: ``Predictor`` and ``Artefact`` need neither
torch nor the OpenMMLab packages.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasvit_mm.deploy.artefact import DESCRIPTION, PRECISIONS, Artefact
    from nasvit_mm.deploy.benchmark import BACKENDS, benchmark_model
    from nasvit_mm.deploy.exporting import missing_package
    from nasvit_mm.deploy.graph import Graph
    from nasvit_mm.deploy.images import calibration_images, fit_of
    from nasvit_mm.deploy.kit import (
        FITTED,
        KITS,
        build_runtime_table,
        read_times,
        write_kit,
        write_network,
    )
    from nasvit_mm.deploy.latency import build_latency_table
    from nasvit_mm.deploy.latency_table import LatencyTable
    from nasvit_mm.deploy.make import check_target, filling, make_artefact, write_artefact
    from nasvit_mm.deploy.measure import PeakMemory, device_name, measure_seconds
    from nasvit_mm.deploy.model import ArtefactModel
    from nasvit_mm.deploy.onnx import Logits, export_onnx
    from nasvit_mm.deploy.predictor import Boxes, Instances, Predictor, open_artefact
    from nasvit_mm.deploy.runtimes import RUNTIMES, Session, get_runtime
    from nasvit_mm.deploy.timing import record, time_artefacts

_HOME = {
    'Artefact': 'artefact',
    'ArtefactModel': 'model',
    'BACKENDS': 'benchmark',
    'Boxes': 'predictor',
    'DESCRIPTION': 'artefact',
    'FITTED': 'kit',
    'Graph': 'graph',
    'Instances': 'predictor',
    'KITS': 'kit',
    'LatencyTable': 'latency_table',
    'Logits': 'onnx',
    'PRECISIONS': 'artefact',
    'PeakMemory': 'measure',
    'Predictor': 'predictor',
    'RUNTIMES': 'runtimes',
    'Session': 'runtimes',
    'benchmark_model': 'benchmark',
    'build_latency_table': 'latency',
    'build_runtime_table': 'kit',
    'calibration_images': 'images',
    'check_target': 'make',
    'device_name': 'measure',
    'export_onnx': 'onnx',
    'filling': 'make',
    'fit_of': 'images',
    'get_runtime': 'runtimes',
    'make_artefact': 'make',
    'measure_seconds': 'measure',
    'missing_package': 'exporting',
    'open_artefact': 'predictor',
    'read_times': 'kit',
    'record': 'timing',
    'time_artefacts': 'timing',
    'write_artefact': 'make',
    'write_kit': 'kit',
    'write_network': 'kit',
}
__all__ = [
    'Artefact',
    'ArtefactModel',
    'BACKENDS',
    'Boxes',
    'DESCRIPTION',
    'FITTED',
    'Graph',
    'Instances',
    'KITS',
    'LatencyTable',
    'Logits',
    'PRECISIONS',
    'PeakMemory',
    'Predictor',
    'RUNTIMES',
    'Session',
    'benchmark_model',
    'build_latency_table',
    'build_runtime_table',
    'calibration_images',
    'check_target',
    'device_name',
    'export_onnx',
    'filling',
    'fit_of',
    'get_runtime',
    'make_artefact',
    'measure_seconds',
    'missing_package',
    'open_artefact',
    'read_times',
    'record',
    'time_artefacts',
    'write_artefact',
    'write_kit',
    'write_network',
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOME[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
