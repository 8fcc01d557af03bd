"""What the classification heads of all families share: pooled features, dropout, classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nasvit_mm.nn import ElasticLinear, Span


class ElasticHead(nn.Module):
    """Base of the classification heads, built as ``head(backbone, num_classes, dropout)``.

    A family's head creates its own layers, then calls :meth:`end` with the width of what it pools.

    Attributes:
        dropout: before the classifier.
        classifier: ``nn.Identity`` if there are no classes.
    """

    classifier: nn.Module

    def end(self, width: int, num_classes: int, dropout: float) -> None:
        """Create the last layers, for pooled features of at most that width."""
        self.hidden_width = width
        self.dropout = nn.Dropout(dropout)
        self.reset(num_classes)

    # ------------------------------------------------------------------ hooks of the family
    def pool(self, x: torch.Tensor, plan: Any) -> torch.Tensor:
        """Map the backbone's features to (N, width) by the spans that its plan has for the head."""
        raise NotImplementedError

    def pooled_span(self, plan: Any) -> Span:
        """Return the channels of what :meth:`pool` gives."""
        return plan

    def init_classifier(self, classifier: nn.Module) -> None:
        """Initialise a new classifier; by default it stays as torch does it."""

    # ------------------------------------------------------------------ the classifier
    @property
    def num_classes(self) -> int:
        return getattr(self.classifier, 'out_features', 0)

    def reset(self, num_classes: int) -> None:
        """Replace the classifier by a new one; by none if there are 0 classes."""
        if num_classes == 0:
            self.classifier = nn.Identity()
            return
        beside = next(self.parameters(), None)
        self.classifier = ElasticLinear(self.hidden_width, num_classes)
        self.init_classifier(self.classifier)
        if beside is not None:
            self.classifier.to(beside.device, beside.dtype)

    def forward(self, x: torch.Tensor, plan: Any, pre_logits: bool = False) -> torch.Tensor:
        """Map the backbone's features to logits (N, classes).

        Args:
            plan: the spans that the backbone's plan has for the head.
            pre_logits: give what the classifier would take instead, (N, width).
        """
        x = self.dropout(self.pool(x, plan))
        if pre_logits or not self.num_classes:
            return x
        return self.classifier(x, self.pooled_span(plan), Span.whole(self.num_classes))
