"""A trained model as an artefact: plain logits, ONNX, what it takes in time and memory."""

from nasvit_mm.deploy.benchmark import BACKENDS, benchmark_model
from nasvit_mm.deploy.latency import LatencyTable, build_latency_table
from nasvit_mm.deploy.measure import PeakMemory, measure_seconds
from nasvit_mm.deploy.onnx import Logits, export_onnx

__all__ = [
    'BACKENDS',
    'LatencyTable',
    'Logits',
    'PeakMemory',
    'benchmark_model',
    'build_latency_table',
    'export_onnx',
    'measure_seconds',
]
