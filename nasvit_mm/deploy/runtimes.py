"""Runtimes: what runs the model file of an artefact.  numpy, and each runtime's own package.

A runtime is a class with ``load``: see :class:`Session`.  Its package is imported when it is asked
for; one that is missing is one sentence with the command that installs it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from nasvit_mm.compat import has_bf16, import_onnxruntime
from nasvit_mm.deploy.program import load_program
from nasvit_mm.errors import UsageError, unknown

Run = Callable[[np.ndarray], dict[str, np.ndarray]]


class Session:
    """A loaded model: ``run(images)`` of uint8 RGB images (N, H, W, 3) gives arrays by name.

    Args:
        path: the model file.
        threads: of the CPU; None: all cores that this process may use.
        precision: ``'fp32'``, ``'bf16'`` or ``'int8'``.
        device: as the runtime names it, ``'cpu'`` or for onnxruntime a provider
            (``'TensorrtExecutionProvider'``).

    Attributes:
        package: Python package that it is made of.
        extra: of this project, which installs it.
        suffix: of its model files.
        precisions: that it runs.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    distribution: ClassVar[str]
    extra: ClassVar[str] = 'deploy'
    suffix: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ('fp32',)

    def __init__(
        self,
        path: str | Path,
        threads: int | None = None,
        precision: str = 'fp32',
        device: str = 'cpu',
    ) -> None:
        self.path, self.precision, self.device = Path(path), precision, device
        self.threads = threads or available_cores()
        self.check_precision(precision)
        self.load(self.module())

    def load(self, module: ModuleType) -> None:
        """Load the model file with the runtime's package."""
        raise NotImplementedError

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Run a batch."""
        raise NotImplementedError

    @classmethod
    def module(cls) -> ModuleType:
        """Import the runtime's package.

        Raises:
            UsageError: it is not installed.
        """
        try:
            with without_telemetry():
                return cls.imported()
        except ImportError as error:
            raise UsageError(
                f'the runtime {cls.name} needs {cls.distribution}, which cannot be imported '
                f'({error}): pip install "nasvit_mm[{cls.extra}]", or pip install '
                f'{cls.distribution}'
            ) from error

    @classmethod
    def imported(cls) -> ModuleType:
        return importlib.import_module(cls.package)

    @classmethod
    def version(cls) -> str:
        """Return the version of the package, ``'none'`` where it is not installed."""
        try:
            return version(cls.distribution)
        except PackageNotFoundError:
            return 'none'

    @classmethod
    def check_precision(cls, precision: str) -> None:
        """Check that the runtime runs a precision here.

        Raises:
            UsageError: names those that it runs.
        """
        if precision not in cls.precisions:
            raise UsageError(f'{cls.name} runs {", ".join(cls.precisions)}, not {precision}')


class OnnxRuntime(Session):
    """onnxruntime, on the CPU or by another of its providers; without its telemetry."""

    name = 'onnx'
    package = distribution = 'onnxruntime'
    suffix = '.onnx'
    precisions = ('fp32', 'int8')

    @classmethod
    def imported(cls) -> ModuleType:
        return import_onnxruntime()

    def load(self, module: ModuleType) -> None:
        options = module.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        provider = 'CPUExecutionProvider' if self.device == 'cpu' else self.device
        providers = list(dict.fromkeys([provider, 'CPUExecutionProvider']))
        known = module.get_available_providers()
        if provider not in known:
            raise UsageError(
                f'onnxruntime has no provider {provider} here, it has {", ".join(known)}; of a GPU '
                'they come with pip install onnxruntime-gpu'
            )
        with readable(self.path):
            self.session = module.InferenceSession(str(self.path), options, providers=providers)
        if provider not in (used := self.session.get_providers()):
            raise UsageError(
                f'onnxruntime has {provider}, but cannot load it here and would run by '
                f'{", ".join(used)}: the libraries it needs are missing (of a GPU CUDA, cuDNN or '
                'TensorRT in the versions of onnxruntime-gpu)'
            )
        self.input = self.session.get_inputs()[0].name
        self.outputs = [output.name for output in self.session.get_outputs()]

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self.outputs, self.session.run(None, {self.input: images})))

    @classmethod
    def of_model(cls, model: Any) -> Run:
        """Return a function of images by a model of the package onnx."""
        session = cls.module().InferenceSession(
            model.SerializeToString(), providers=['CPUExecutionProvider']
        )
        names = [output.name for output in session.get_outputs()]
        (given,) = session.get_inputs()
        return lambda images: dict(zip(names, session.run(None, {given.name: images})))


class _SignalStack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (('pointer', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t))


class OpenVino(Session):
    """OpenVINO, on the CPU or another of its devices."""

    name = package = distribution = 'openvino'
    suffix = '.xml'
    precisions = ('fp32', 'bf16', 'int8')

    def load(self, module: ModuleType) -> None:
        core = self.core()
        if self.device.upper() not in core.available_devices:
            raise UsageError(
                f'OpenVINO has no device {self.device!r} here, it has '
                f'{", ".join(core.available_devices)}'
            )
        hint = 'bf16' if self.precision == 'bf16' else 'f32'
        options = {'INFERENCE_PRECISION_HINT': hint, 'PERFORMANCE_HINT': 'LATENCY'}
        if self.device.upper() == 'CPU':
            options['INFERENCE_NUM_THREADS'] = self.threads
        with readable(self.path):
            compiled = core.compile_model(str(self.path), self.device.upper(), options)
        self._run = self.of_model(compiled)

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return self._run(images)

    @classmethod
    @cache
    def core(cls) -> Any:
        """Return OpenVINO's core, one for the process, which lives as long.

        A core sets the stack of signal handlers to memory of its own, and at its end to that of
        the core before it, though that may be gone: the next signal would end the process.
        """
        core = cls.module().Core()
        core.get_property('CPU', 'FULL_DEVICE_NAME')  # loads the plugin that does so
        return core

    @classmethod
    @contextmanager
    def others_cores(cls) -> Iterator[None]:
        """Let others make and end cores of their own; then set the stack of signal handlers back to
        that of :meth:`core`.
        """
        cls.core()
        before = _SignalStack()
        system = ctypes.CDLL(None)
        system.sigaltstack(None, ctypes.byref(before))
        try:
            yield
        finally:
            gc.collect()  # a core that ends later would set it once more
            system.sigaltstack(ctypes.byref(before), None)

    @classmethod
    def of_model(cls, model: Any) -> Run:
        """Return a function of images by a model of OpenVINO, compiled or not."""
        module = cls.module()
        if not isinstance(model, module.CompiledModel):
            hint = {'INFERENCE_PRECISION_HINT': 'f32'}
            model = cls.core().compile_model(model, 'CPU', hint)
        names = [output.get_any_name() for output in model.outputs]

        def run(images: np.ndarray) -> dict[str, np.ndarray]:
            found = model(images)
            return {name: found[i] for i, name in enumerate(names)}

        return run

    @classmethod
    def check_precision(cls, precision: str) -> None:
        super().check_precision(precision)
        if precision == 'bf16' and not has_bf16():
            raise UsageError(
                'this CPU has no bfloat16 (no avx512_bf16 or amx_bf16 among its flags): OpenVINO '
                'would compute in float32; take fp32 or int8'
            )


class LiteRt(Session):
    """LiteRT, the mobile runtime that TensorFlow Lite became, by XNNPACK on the CPU."""

    name = 'litert'
    package = 'ai_edge_litert.interpreter'
    distribution = 'ai-edge-litert'
    extra = 'mobile'
    suffix = '.tflite'

    def load(self, module: ModuleType) -> None:
        with readable(self.path):
            self.interpreter = module.Interpreter(str(self.path), num_threads=self.threads)
            self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]['index']
        details = self.interpreter.get_output_details()
        # StatefulPartitionedCall_..., or output_0, output_1 in the order of the graph.
        self.outputs = [d['index'] for d in sorted(details, key=lambda d: d['name'])]
        self.names: Sequence[str] = ()  # told by the artefact

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.interpreter.set_tensor(self.input, images)
        self.interpreter.invoke()
        found = [self.interpreter.get_tensor(index) for index in self.outputs]
        return dict(zip(self.names or map(str, range(len(found))), found))


class Torch(Session):
    """PyTorch, of a program that torch.export wrote: eager, or compiled by torch.compile."""

    name = 'torch'
    package = distribution = 'torch'
    suffix = '.pt2'
    compiled = False

    def load(self, module: ModuleType) -> None:
        module.set_num_threads(self.threads)
        with readable(self.path):
            self.model = load_program(self.path).to(self.device)
        if self.compiled:
            self.model = module.compile(self.model, dynamic=False)
        self.torch, self.names = module, ()

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        with self.torch.inference_mode():
            found = self.model(self.torch.from_numpy(images).to(self.device))
        found = found if isinstance(found, (list, tuple)) else [found]
        arrays = [value.cpu().numpy() for value in found]
        return dict(zip(self.names or map(str, range(len(arrays))), arrays))


class TorchCompiled(Torch):
    """PyTorch, compiled."""

    name = 'torch-compile'
    compiled = True


RUNTIMES: Mapping[str, type[Session]] = {
    runtime.name: runtime for runtime in (OnnxRuntime, OpenVino, LiteRt, Torch, TorchCompiled)
}


def get_runtime(name: str) -> type[Session]:
    """Return a runtime by its name.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in RUNTIMES:
        raise UsageError(unknown('runtime', name, RUNTIMES))
    return RUNTIMES[name]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a runtime raises of a model file into one sentence."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        text = ' '.join(str(error).split())[:300]
        raise UsageError(f'{path} cannot be loaded: {text}') from error


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Keep OpenVINO and NNCF, imported in this block, from telling their makers what they are used
    for.

    Both ask for a package once, when they are imported, and stay silent where it is missing.
    """
    name = 'openvino_telemetry'
    before = sys.modules.get(name)
    sys.modules[name] = None
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
