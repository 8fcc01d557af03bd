"""The metric of a subnet as the artefact that a device runs."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from nasvit_mm.deploy import (
    Artefact,
    ArtefactModel,
    Graph,
    calibration_images,
    check_target,
    filling,
    fit_of,
    get_runtime,
    write_artefact,
)
from nasvit_mm.errors import UsageError, check_number
from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.search.evaluators.supernet import SupernetEvaluator
from nasvit_mm.search.problem.problem import read_size
from nasvit_mm.spaces import Space


@SUBNET_EVALUATORS.register_module()
class ArtefactEvaluator(SupernetEvaluator):
    """The task's metric of the supernet's subnet after it was written for a runtime, by that
    runtime; no training.

    The subnet's batch norms are recalibrated as in :class:`SupernetEvaluator`, then it becomes what
    ``nasvit-mm deploy`` would write of it; of int8 without a correction of biases, which takes the
    longest.  Metrics are named after the precision: ``int8/mIoU``.

    Args:
        input_size: side or (height, width) of the artefact; images are brought to it.
        runtime: one that can be written for, ``'onnx'``, ``'openvino'``, ``'litert'`` or
            ``'torch'``.
        precision: ``'fp32'``, ``'bf16'`` or ``'int8'``.
        calibrate: training images by which int8 ranges are chosen.
        threads: of the CPU; None: all that this process may use.
        kwargs: of :class:`SupernetEvaluator`.

    Raises:
        UsageError: a runtime that is missing here or lacks the precision, besides those of
            :class:`SupernetEvaluator`.
    """

    neutral: ClassVar[Collection[str]] = (*SupernetEvaluator.neutral, 'threads')

    @classmethod
    def describe(
        cls, checkpoint: str, runtime: str = 'openvino', precision: str = 'int8', **options: Any
    ) -> dict[str, Any]:
        """See the base; with the runtime's version, by which metrics may differ."""
        content = super().describe(checkpoint, **options)
        return (
            content
            if 'missing' in content
            else dict(content, version=get_runtime(runtime).version())
        )

    @classmethod
    def runs_by(
        cls, runtime: str = 'openvino', precision: str = 'int8', **options: Any
    ) -> tuple[str, str]:
        return runtime, precision

    def __init__(
        self,
        space: Space,
        config: str | None,
        checkpoint: str,
        input_size: int | tuple[int, int],
        runtime: str = 'openvino',
        precision: str = 'int8',
        calibrate: int = 32,
        threads: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.runtime, self.precision, self.threads = get_runtime(runtime), precision, threads
        self.calibrate = check_number('evaluator.calibrate', calibrate, low=1, whole=True)
        self.size = read_size(input_size)
        if self.size is None:
            raise UsageError('evaluator.input_size = None, expected (height, width)')
        check_target(self.runtime, precision, 1, False, calibrate, runtime)
        super().__init__(space, config, checkpoint, **kwargs)
        self._images = None

    def cheaper(self) -> Iterator[dict[str, Any]]:
        """Yield fewer batches for batch norms, and fewer images for int8, by powers of two."""
        yield from self.fewer_batches()
        number = 1
        while self.precision == 'int8' and number < self.calibrate:
            yield dict(calibrate=number)
            number *= 2

    def with_options(self, **changes: Any) -> ArtefactEvaluator:
        other = super().with_options(**changes)
        other._images = None
        return other

    def measure(self, model: nn.Module, share: float = 1.0) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            return self.judge(self.write(model, folder), share)

    def write(self, model: nn.Module, folder: str | Path) -> Artefact:
        """Write a model of the task as an artefact into a folder, which is there."""
        graph = Graph(model.cpu().eval(), self.size)
        fit = fit_of(self.cfg, graph.task)
        if self._images is None:
            int8 = self.precision == 'int8'
            self._images = calibration_images(
                self.cfg, self.size, fit, filling(graph), self.calibrate, int8
            )
        artefact = write_artefact(
            graph,
            Path(folder),
            self.runtime,
            self.precision,
            1,
            fit,
            self._images,
            origin={},
            meta={},
            correct=False,
        )
        artefact.save()
        return artefact

    def judge(self, artefact: Artefact, share: float = 1.0) -> dict[str, float]:
        """Return the metrics of an artefact on the images of the search, by its runtime."""
        found = super().measure(ArtefactModel(artefact.folder, self.threads), share)
        return {f'{self.precision}/{name}': value for name, value in found.items()}
