"""Elastic convolutions, linear layers, MLP, squeeze-and-excitation and layer scale.

Each layer holds its weights at the maximum size and is told at every call which part is active.
Called with whole spans it is the plain layer that it derives from.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from nasvit_mm.nn.depthwise import depthwise_conv2d, learns_on_cpu
from nasvit_mm.nn.span import AxisSpan, Span, take


class ElasticConv2d(nn.Conv2d):
    """A convolution with elastic input and output channels; the default padding is k // 2."""

    def __init__(
        self,
        in_width: int,
        out_width: int,
        kernel_size: int = 1,
        stride: int = 1,
        bias: bool = False,
        padding: int | None = None,
    ) -> None:
        padding = kernel_size // 2 if padding is None else padding
        super().__init__(in_width, out_width, kernel_size, stride, padding, bias=bias)

    def forward(self, x: torch.Tensor, cin: Span, cout: Span) -> torch.Tensor:
        """Map (N, cin.width, H, W) to (N, cout.width, H', W').

        With the default padding H' is ceil(H / stride).
        """
        bias = None if self.bias is None else take(self.bias, cout)
        weight = take(self.weight, cout, cin)
        dilation = 2 if self._hidden_from_onednn(x, weight) else 1
        return F.conv2d(x, weight, bias, self.stride, self.padding, dilation)

    def _hidden_from_onednn(self, x: torch.Tensor, weight: torch.Tensor) -> bool:
        """Return whether torch would train by plain products, which take a third longer.

        It does with 1x1 kernels in one thread, unless they are dilated, which changes nothing else
        about them.
        """
        return (
            self.kernel_size == (1, 1)
            and not torch.compiler.is_compiling()  # the number of threads is in no graph
            and torch.get_num_threads() == 1
            and learns_on_cpu(x, weight)
            and x.dtype == torch.float32
            and len(x) > 1
            and torch.backends.mkldnn.is_available()
        )


class ElasticDepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution with elastic channels and kernel (centre crop), padding k // 2."""

    def __init__(self, width: int, kernel_size: int, stride: int = 1, bias: bool = False) -> None:
        super().__init__(
            width, width, kernel_size, stride, kernel_size // 2, groups=width, bias=bias
        )

    def forward(self, x: torch.Tensor, channels: Span, kernel: int | None = None) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride)), C = channels.width."""
        size = self.kernel_size[0]
        kernel = kernel or size
        crop = Span.centre(kernel, size)
        weight = take(self.weight, channels, None, crop, crop)
        bias = None if self.bias is None else take(self.bias, channels)
        return depthwise_conv2d(x, weight, bias, self.stride[0])


class ElasticUpsample2d(nn.ConvTranspose2d):
    """Doubles the size with a learned 2x2 kernel per channel, initially close to repetition."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 2, 2, groups=width)
        nn.init.normal_(self.weight, 1.0, 0.1)
        nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor, channels: Span) -> torch.Tensor:
        """Map (N, channels.width, H, W) to (N, channels.width, 2 H, 2 W)."""
        weight, bias = take(self.weight, channels), take(self.bias, channels)
        return F.conv_transpose2d(x, weight, bias, 2, groups=channels.width)


class ElasticLinear(nn.Linear):
    """A linear layer with elastic input and output features."""

    def forward(self, x: torch.Tensor, cin: AxisSpan, cout: AxisSpan) -> torch.Tensor:
        """Map (..., cin.width) to (..., cout.width)."""
        bias = None if self.bias is None else take(self.bias, cout)
        return F.linear(x, take(self.weight, cout, cin), bias)


class ElasticMlp(nn.Module):
    """An MLP: linear, activation, linear."""

    def __init__(
        self, width: int, hidden: int, activation: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        super().__init__()
        self.activation = activation
        self.fc1 = ElasticLinear(width, hidden)
        self.fc2 = ElasticLinear(hidden, width)

    def forward(self, x: torch.Tensor, channels: Span, hidden: Span) -> torch.Tensor:
        """Map (..., channels.width) to the same shape."""
        return self.fc2(self.activation(self.fc1(x, channels, hidden)), hidden, channels)

    @torch.no_grad()
    def order_hidden(self) -> None:
        """Permute the hidden features so that those with the largest outgoing weights come first.

        The function stays; see :meth:`nasvit_mm.nn.MBConv.order_hidden`.
        """
        order = self.fc2.weight.abs().sum(0).argsort(descending=True, stable=True)
        self.fc1.weight.copy_(self.fc1.weight[order])
        self.fc1.bias.copy_(self.fc1.bias[order])
        self.fc2.weight.copy_(self.fc2.weight[:, order])


class SqueezeExcite(nn.Module):
    """A channel gate: mean over the map, linear, ReLU, linear, hard sigmoid."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = ElasticLinear(width, squeezed)
        self.expand = ElasticLinear(squeezed, width)

    def forward(self, x: torch.Tensor, channels: Span, squeezed: Span) -> torch.Tensor:
        """Map (N, channels.width, H, W) to the same shape."""
        gate = F.relu(self.reduce(x.mean((2, 3)), channels, squeezed))
        return x * F.hardsigmoid(self.expand(gate, squeezed, channels))[:, :, None, None]


class ElasticScale(nn.Module):
    """A switchable layer scale: one vector per (depth choice, row), selected by spans.

    Args:
        depths: number of depth choices.
        rows: number of rows.
        width: maximum channels.
        init: initial value.
        gain: the vector is multiplied by gain / active width (None: by 1).
    """

    def __init__(
        self, depths: int, rows: int, width: int, init: float, gain: float | None = None
    ) -> None:
        super().__init__()
        self.gain = gain
        self.weight = nn.Parameter(torch.full((depths, rows, width), init))

    def forward(self, depth: Span, row: Span, channels: Span) -> torch.Tensor:
        """Return the active vector, (channels.width,)."""
        factor = 1.0 if self.gain is None else self.gain / channels.width
        return take(self.weight, depth, row, channels).flatten() * factor
