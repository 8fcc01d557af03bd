"""Depthwise convolution with its own backward pass, against torch's plain one."""

import pytest
import torch
import torch.nn.functional as F

from nasvit_mm.nn import depthwise_conv2d


@pytest.mark.parametrize('kernel', [1, 3, 5, 7])
@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize('size', [(1, 1), (1, 6), (2, 2), (3, 1), (4, 4), (5, 3), (9, 12)])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_equals_plain_convolution(kernel, stride, size, layout):
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape):
        drawn = torch.randn(shape, generator=generator, dtype=torch.double)
        return drawn.requires_grad_()

    x, weight, bias = leaf(3, 8, *size), leaf(8, 1, kernel, kernel), leaf(8)
    found = depthwise_conv2d(x.contiguous(memory_format=layout), weight, bias, stride)
    plain = F.conv2d(x, weight, bias, stride, kernel // 2, groups=8)
    assert torch.allclose(found, plain, rtol=0, atol=1e-12)
    grad = torch.randn(plain.shape, generator=generator, dtype=torch.double)
    for ours, theirs in zip(
        torch.autograd.grad(found, (x, weight, bias), grad),
        torch.autograd.grad(plain, (x, weight, bias), grad),
    ):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize('frozen', ['x', 'weight'])
def test_only_what_learns_gets_a_gradient(frozen):
    x, weight = torch.randn(2, 4, 2, 2), torch.randn(4, 1, 3, 3)
    learns = weight if frozen == 'x' else x
    learns.requires_grad_()
    depthwise_conv2d(x, weight, None, 1).sum().backward()
    plain = torch.autograd.grad(F.conv2d(x, weight, padding=1, groups=4).sum(), learns)
    torch.testing.assert_close(learns.grad, plain[0])
    assert {'x': x, 'weight': weight}[frozen].grad is None


def test_mixed_precision():
    x, weight = torch.randn(2, 4, 6, 6), torch.randn(4, 1, 3, 3, requires_grad=True)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = depthwise_conv2d(x, weight, None, 1)
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert weight.grad.dtype == torch.float32
