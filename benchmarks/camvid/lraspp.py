"""LR-ASPP MobileNetV3 (arXiv 1905.02244) of torchvision as mmseg backbone and head.

mmseg's own LRASPPHead pools windows of 49 x 49 positions, for images of 512 x 1024 and more; a
CamVid crop has 22 x 22.  torchvision's pools the whole map and scales to any width.
"""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import mobilenet_v3_large
from torchvision.models.segmentation.lraspp import LRASPPHead

from nasvit_mm.registry import MODELS

STRIDE_8 = 4  # the first layer with this stride: what torchvision's lraspp_mobilenet_v3_large takes


@MODELS.register_module()
class MobileNetV3Large(BaseModule):
    """MobileNetV3-large at any width, stride 16 at most; outputs at strides 8 and 16."""

    def __init__(self, width_mult: float = 1.0, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        # Dilated: stride 16 instead of 32, as in the paper's segmentation experiments.
        layers = mobilenet_v3_large(width_mult=width_mult, dilated=True).features
        for layer in layers.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 0.1  # torchvision's 0.01 is too slow for 2,000 iterations
        self.low, self.high = layers[: STRIDE_8 + 1], layers[STRIDE_8 + 1 :]
        self.out_channels = (layers[STRIDE_8].out_channels, layers[-1].out_channels)
        self.out_strides = (8, 16)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low = self.low(x)
        return low, self.high(low)


@MODELS.register_module()
class LRASPP(BaseDecodeHead):
    """torchvision's LRASPPHead with mmseg's loss; two inputs: strides 8 and 16."""

    def __init__(self, in_channels: tuple[int, int], **kwargs) -> None:
        super().__init__(
            in_channels=in_channels, input_transform='multiple_select', init_cfg=None, **kwargs
        )
        self.head = LRASPPHead(*in_channels, self.num_classes, self.channels)
        del self.conv_seg  # the two classifiers are part of it

    def forward(self, inputs: list[Tensor]) -> Tensor:
        low, high = self._transform_inputs(inputs)
        return self.head({'low': low, 'high': high})
