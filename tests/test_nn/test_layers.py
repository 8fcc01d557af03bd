"""Elastic layers, against torch's plain ones."""

import pytest
import torch
import torch.nn.functional as F

from nasvit_mm.nn import ElasticConv2d, Span


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason='torch without oneDNN')
def test_pointwise_convolution_of_one_thread_trains_by_onednn(one_thread):
    conv, x = ElasticConv2d(8, 12), torch.randn(2, 6, 5, 7, requires_grad=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        out = conv(x, Span.prefix(6, 8), Span.prefix(10, 12))
    assert 'aten::mkldnn_convolution' in {event.key for event in profile.key_averages()}
    plain = F.conv2d(x, conv.weight[:10, :6])
    torch.testing.assert_close(out, plain)
    gradient = torch.randn_like(out)
    for found, expected in zip(
        torch.autograd.grad(out, (x, conv.weight), gradient),
        torch.autograd.grad(plain, (x, conv.weight), gradient),
    ):
        torch.testing.assert_close(found, expected)
