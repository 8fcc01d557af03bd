"""The inverted-bottleneck block that NASViT and ElasticViT share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import drop_path
from torch import nn

from nasvit_mm.nn.layers import ElasticConv2d, ElasticDepthwiseConv2d, SqueezeExcite
from nasvit_mm.nn.norms import ElasticBatchNorm2d
from nasvit_mm.nn.span import Span


class MBConvPlan(NamedTuple):
    """The spans of an MBConv."""

    cin: Span
    hidden: Span
    squeezed: Span | None  # None: without squeeze-and-excitation
    cout: Span
    kernel: int
    drop: float  # rate of stochastic depth


class MBConv(nn.Module):
    """1x1 expansion, depthwise convolution, optional SE and 1x1 projection, in a residual sum.

    The shortcut is a 2x2 average pooling if the stride is 2, then a bare 1x1 convolution if the
    widths differ.

    Args:
        widths: spans at the maximum sizes.
        kernel: largest kernel size.
        stride: 1 or 2.
        expands: whether it has the 1x1 expansion.
        shortcut: whether incoming and outgoing widths can differ.
        norm: makes a batch norm of a given width.
        activation: the activation after expansion and depthwise convolution.
        starts_as_identity: whether the last norm starts at zero.
    """

    def __init__(
        self,
        widths: MBConvPlan,
        kernel: int,
        stride: int,
        *,
        expands: bool,
        shortcut: bool,
        norm: Callable[[int], ElasticBatchNorm2d],
        activation: Callable[[torch.Tensor], torch.Tensor],
        starts_as_identity: bool,
    ) -> None:
        super().__init__()
        cin, hidden, cout = widths.cin.size, widths.hidden.size, widths.cout.size
        self.stride, self.activation = stride, activation
        if expands:
            self.expand = ElasticConv2d(cin, hidden)
            self.expand_bn = norm(hidden)
        else:
            self.expand = None
        self.depthwise = ElasticDepthwiseConv2d(hidden, kernel, stride)
        self.depthwise_bn = norm(hidden)
        self.se = SqueezeExcite(hidden, widths.squeezed.size) if widths.squeezed else None
        self.project = ElasticConv2d(hidden, cout)
        self.project_bn = norm(cout)
        if starts_as_identity:
            nn.init.zeros_(self.project_bn.weight)
        self.shortcut = ElasticConv2d(cin, cout) if shortcut else None

    def forward(self, x: torch.Tensor, plan: MBConvPlan) -> torch.Tensor:
        """Map (B, cin, H, W) to (B, cout, ceil(H / stride), ceil(W / stride))."""
        cin, hidden, squeezed, cout, kernel, drop = plan
        y = x
        if self.expand is not None:
            y = self.activation(self.expand_bn(self.expand(y, cin, hidden), hidden))
        y = self.activation(self.depthwise_bn(self.depthwise(y, hidden, kernel), hidden))
        if self.se is not None:
            y = self.se(y, hidden, squeezed)
        y = self.project_bn(self.project(y, hidden, cout), cout)
        if drop:
            y = drop_path(y, drop, self.training)
        return y + self._shortcut(x, cin, cout)

    @torch.no_grad()
    def become_identity(self) -> None:
        """Set to zero the norm that ends the branch; the shortcut is what remains."""
        self.project_bn.weight.zero_()
        self.project_bn.bias.zero_()

    @torch.no_grad()
    def order_hidden(self) -> None:
        """Permute the hidden channels so that those with the largest outgoing weights come first.

        The function stays.  Importance is the L1 norm of the projection's weights, as in
        once-for-all (Cai et al., ICLR 2020).  Without an expansion the hidden channels are the
        incoming ones, and stay in their places.
        """
        if self.expand is None:
            return
        order = self.project.weight.abs().sum((0, 2, 3)).argsort(descending=True, stable=True)
        for norm in (self.expand_bn, self.depthwise_bn):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                tensor.copy_(tensor[order])
        for weight in (self.expand.weight, self.depthwise.weight):
            weight.copy_(weight[order])
        if self.se is not None:
            self.se.reduce.weight.copy_(self.se.reduce.weight[:, order])
            self.se.expand.weight.copy_(self.se.expand.weight[order])
            self.se.expand.bias.copy_(self.se.expand.bias[order])
        self.project.weight.copy_(self.project.weight[:, order])

    def _shortcut(self, x: torch.Tensor, cin: Span, cout: Span) -> torch.Tensor:
        if self.stride == 2:
            # Odd sides are padded by one zero on both ends, and zeros count in the average.
            x = F.avg_pool2d(x, 2, 2, (x.shape[2] % 2, x.shape[3] % 2))
        return x if cin.width == cout.width else self.shortcut(x, cin, cout)
