"""Latency and peak memory of a dense model, by several backends on the same image."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nasvit_mm.backbones import image_channels
from nasvit_mm.compat import import_onnxruntime
from nasvit_mm.deploy.measure import PeakMemory, measure_seconds
from nasvit_mm.deploy.onnx import Logits, export_onnx
from nasvit_mm.errors import UsageError, first_line
from nasvit_mm.files import WriteError

BACKENDS = ('pytorch', 'compile', 'onnxruntime')


def benchmark_model(
    model: nn.Module,
    input_size: tuple[int, int],
    backends: Sequence[str],
    *,
    batch_size: int = 1,
    rounds: int = 20,
    device: str = 'cpu',
    channels_last: bool = False,
    half: bool = False,
    onnx: str | Path | None = None,
) -> dict[str, Any]:
    """Measure a model's :class:`Logits` by each backend, and compare what they give.

    Args:
        model: segmentor or detector on the CPU, in evaluation mode; it is moved to the device.
        input_size: (height, width) in pixels.
        backends: out of :data:`BACKENDS`; onnxruntime runs on the CPU.
        batch_size: images in a call.
        rounds: timed calls.
        device: of PyTorch.
        channels_last: use PyTorch's memory format of this name.
        half: use half precision; needs a GPU.
        onnx: where the exported graph is kept; None: nowhere.

    Returns:
        ``backends``: name -> ``median_ms``, ``p10_ms``, ``p90_ms``, ``peak_memory_mib`` (above the
        loaded model); ``difference``: the largest of logits to those of the first backend, over
        their standard deviation, None of one backend; ``failed``: name -> why a backend has no
        figures.

    Raises:
        UsageError: no backend has any.
    """
    shape = (batch_size, image_channels(model), *input_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        calls: dict[str, Callable[[], Any]] = {}
        failed: dict[str, str] = {}
        if 'onnxruntime' in backends:
            path = Path(onnx or Path(folder, 'model.onnx'))
            try:
                calls['onnxruntime'] = _onnxruntime_call(model, input_size, images, path)
            except WriteError:
                raise
            except UsageError as error:
                if set(backends) == {'onnxruntime'}:
                    raise UsageError(f'onnxruntime: {error}') from error
                failed['onnxruntime'] = str(error)
        model = Logits(model, input_size).to(device)
        if half:
            model, images = model.half(), images.half()
        images = images.to(device)
        if channels_last:
            model = model.to(memory_format=torch.channels_last)
            images = images.to(memory_format=torch.channels_last)
        if 'pytorch' in backends:
            calls['pytorch'] = lambda: model(images)
        if 'compile' in backends:
            # By default a second size would be compiled for all sizes, which takes minutes.
            compiled = torch.compile(model, dynamic=False)
            calls['compile'] = lambda: compiled(images)
        memory, outputs = {}, {}
        for name, call in calls.items():
            with PeakMemory(device) as peak:
                outputs[name] = torch.as_tensor(call()).float().cpu()
            memory[name] = peak.above
        # One after the other, not in turn: threads of either spin for a while after a call.
        seconds = {}
        for name, call in calls.items():
            seconds |= measure_seconds({name: call}, rounds, device=device)
    first, *others = outputs.values()
    return dict(
        difference=max((_distance(o, first) for o in others), default=None),
        backends={
            name: dict(
                median_ms=1e3 * float(np.median(seconds[name])),
                p10_ms=1e3 * float(np.quantile(seconds[name], 0.1)),
                p90_ms=1e3 * float(np.quantile(seconds[name], 0.9)),
                peak_memory_mib=memory[name] / 2**20,
            )
            for name in calls
        },
        failed=failed,
    )


def _distance(output: Tensor, reference: Tensor) -> float:
    return float((output - reference).abs().max() / reference.std())


def _onnxruntime_call(
    model: nn.Module, size: tuple[int, int], images: Tensor, path: Path
) -> Callable[[], Any]:
    """Export the network, and return a call of it."""
    onnxruntime = import_onnxruntime()
    export_onnx(model, size, path, len(images))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    feed = {}

    def call() -> Any:
        return session.run(None, feed)[0]

    try:
        session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
        feed[session.get_inputs()[0].name] = images.numpy()
        call()
    except Exception as error:  # operators that it lacks, shapes that it does not find
        raise UsageError(
            f'cannot run the graph: {type(error).__name__}: {first_line(error)[:300]}'
        ) from error
    return call
