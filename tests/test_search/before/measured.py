"""An evaluator that says what its metrics depend on, for the archives that this folder keeps."""

from __future__ import annotations

from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.search import SubnetEvaluator


@SUBNET_EVALUATORS.register_module(force=True)
class Measured(SubnetEvaluator):
    """A smooth function of the architecture.

    Args:
        factor: of the metric.
        quick: changes no metric.
    """

    neutral = ('quick',)

    def __init__(self, space, factor: float = 1.0, quick: bool = False) -> None:
        super().__init__(space)
        self.factor = factor

    @classmethod
    def describe(cls, factor: float = 1.0, quick: bool = False) -> dict:
        return dict(checkpoint='0123456789abcdef')

    def __call__(self, arch) -> dict[str, float]:
        genes = self.space.genes(arch)
        return dict(score=self.factor * float((genes * (2 + genes % 3)).sum()) / 7)
