"""What the subnets of a step learn from a dense teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nasvit_mm.dense import StepOutput
from nasvit_mm.errors import UsageError, unknown
from nasvit_mm.supernet.samplers.base import LARGEST, SAMPLED, SMALLEST
from nasvit_mm.teacher import Teacher, options_of


class Taught:
    """A dense teacher, and the subnets that learn from it; its pass runs once a step for all.

    Args:
        student: the model in the supernet.
        teacher: of :class:`Teacher`, and ``subnets``, the roles of those that learn from it; None:
            all that the sampler draws.
        roles: of the sampler's subnets.

    Raises:
        UsageError: see :class:`Teacher`; or a role that the sampler does not draw.
    """

    def __init__(self, student: nn.Module, teacher: Mapping[str, Any], roles: Sequence[str]):
        options = options_of(teacher)
        subnets = options.pop('subnets', None)
        given = [subnets] if isinstance(subnets, str) else subnets
        self.roles = tuple(dict.fromkeys(roles)) if given is None else tuple(given)
        for role in self.roles:
            if role not in (LARGEST, SAMPLED, SMALLEST):
                raise UsageError(unknown('teacher.subnets', role, (LARGEST, SAMPLED, SMALLEST)))
        if not set(self.roles) & set(roles):
            raise UsageError(
                f'teacher.subnets = {self.roles}: the sampler draws none of them; its steps are '
                f'{", ".join(roles)}'
            )
        self.teacher = Teacher(student, **options)
        self._answers: Any = None
        self._losses: dict[str, list[torch.Tensor]] = {}

    def begin(self, images: torch.Tensor) -> None:
        """Begin a step with its images, as the student's preprocessor gives them."""
        self._answers, self._losses = self.teacher(images), {}

    def loss(
        self, role: str, output: StepOutput, images: slice | None = None
    ) -> torch.Tensor | float:
        """Return the weighted sum of what a subnet learns from the teacher; 0 if it does not.

        Args:
            images: of the batch that the subnet has seen; None: all.
        """
        if role not in self.roles:
            return 0.0
        answers = self._answers if images is None else [a[images] for a in self._answers]
        losses = self.teacher.losses(output, answers)
        for name, loss in losses.items():
            self._losses.setdefault(f'teacher_{name}', []).append(loss.detach())
        return sum(losses.values())

    def end(self) -> dict[str, torch.Tensor]:
        """End a step; return the mean of each loss over its subnets, for the log."""
        logs = {name: torch.stack(values).mean() for name, values in self._losses.items()}
        self._answers, self._losses = None, {}
        return logs
