"""Operations that torch's counter does not see are counted by what their weights do."""

from __future__ import annotations

import pytest
from mmengine.model import BaseModel
from torch import Tensor, nn

from nasvit_mm.dense import count_model, trace
from nasvit_mm.errors import UsageError

HEIGHT, WIDTH = 12, 16
CELLS = HEIGHT * WIDTH


class Then(nn.Module):
    """A layer behind a plain one that gives it 8 channels."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.stem, self.layer = nn.Conv2d(3, 8, 1), layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.stem(x))


class Deformed(nn.Module):
    """torchvision's layer with the offsets of a convolution."""

    def __init__(self) -> None:
        from torchvision.ops import DeformConv2d

        super().__init__()
        self.offset, self.conv = nn.Conv2d(8, 18, 3, padding=1), DeformConv2d(8, 10, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x, self.offset(x))


def layers() -> dict[str, tuple[nn.Module, int]]:
    """Layers of 3x3 from 8 to 10 channels, and their MACs a place by hand."""
    from mmcv.ops import CARAFEPack, DeformConv2dPack, ModulatedDeformConv2dPack
    from mmcv.ops.masked_conv import MaskedConv2d

    return {
        'torchvision': (Deformed(), 9 * 8 * (18 + 10)),
        'v1': (DeformConv2dPack(8, 10, 3, padding=1), 9 * 8 * (18 + 10)),
        'v1 in groups': (DeformConv2dPack(8, 10, 3, padding=1, groups=2), 9 * (8 * 18 + 4 * 10)),
        'v2': (ModulatedDeformConv2dPack(8, 10, 3, padding=1), 9 * 8 * (27 + 10)),
        'masked': (Masked(MaskedConv2d(8, 10, 3, padding=1)), 9 * 8 * 10),
        # 1x1 to 64, 3x3 to four kernels of 25; of each of four places a sum of 25 of 8 channels
        'carafe': (CARAFEPack(8, scale_factor=2), 8 * 64 + 9 * 64 * 100 + 4 * 25 * 8),
    }


class Masked(nn.Module):
    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x, (x[:1, 0] * 0 + 1).bool())


@pytest.mark.parametrize('name', ['torchvision', 'v1', 'v1 in groups', 'v2', 'masked', 'carafe'])
def test_macs(name: str) -> None:
    layer, macs = layers()[name]
    assert trace(Then(layer), (HEIGHT, WIDTH)) == CELLS * (3 * 8 + macs)


def test_nothing_stays_replaced() -> None:
    from mmcv.ops import deform_conv, multi_scale_deform_attn

    before = (
        deform_conv.DeformConv2dFunction.forward,
        multi_scale_deform_attn.multi_scale_deformable_attn_pytorch,
    )
    trace(Then(layers()['v1'][0]), (HEIGHT, WIDTH))
    assert before == (
        deform_conv.DeformConv2dFunction.forward,
        multi_scale_deform_attn.multi_scale_deformable_attn_pytorch,
    )


class Several(BaseModel):
    """Layers that are called, read by another, looked up, or forgotten."""

    def __init__(self, **idle: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.read, self.table = nn.Linear(8, 8), nn.Embedding(5, 8)
        self.attention = nn.MultiheadAttention(8, 2)
        self.auxiliary_head = nn.Conv2d(8, 2, 1)
        for name, layer in idle.items():
            setattr(self, name, layer)

    def forward(self, inputs: Tensor, data_samples: object = None, mode: str = 'tensor') -> Tensor:
        x = self.conv(inputs).flatten(2).permute(2, 0, 1)  # (H * W, N, 8)
        return nn.functional.linear(self.attention(x, x, x)[0], self.read.weight)


def test_a_layer_that_a_count_leaves_out_is_named() -> None:
    assert count_model(Several(), 8).params['head'] == sum(
        p.numel()
        for name, p in Several().named_parameters()
        if not name.startswith('auxiliary_head')
    )
    for idle in (nn.Conv2d(3, 3, 1), nn.Sequential(nn.Linear(3, 3)), nn.ConvTranspose2d(3, 3, 2)):
        with pytest.raises(UsageError, match=r'Several cannot be counted: .* layers forgotten'):
            count_model(Several(forgotten=idle), 8)


def test_what_a_failing_prediction_raises_is_one_sentence() -> None:
    class Broken(Several):
        def forward(self, inputs: Tensor, mode: str = 'tensor') -> Tensor:
            return self.conv(inputs[:, :2])

    with pytest.raises(UsageError, match='Broken cannot be counted: .* kind LossesOnly'):
        count_model(Broken(), 8)
