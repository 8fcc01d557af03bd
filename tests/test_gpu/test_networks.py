"""Networks on a GPU that is not there: forward and backward, by family, attention and precision."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn

from nasvit_mm.family import FAMILIES
from nasvit_mm.nn import attention
from nasvit_mm.spaces import Space
from tests.families import NETWORKS, small, tiny
from tests.test_gpu.fake import AMP, GPU, autocast, check_gradients

MODES = ('auto', 'global', 'window')
WHOLE, BEYOND, PADDED = (224, 224), (256, 328), (203, 297)  # as trained; larger; in odd windows
# Each family in both of its ways through attention, with and without autocast.
CASES = [
    ('elasticvit', 'auto', PADDED, 'fp16'),
    ('elasticvit', 'global', BEYOND, 'fp32'),
    ('nasvit', 'auto', PADDED, 'bf16'),
    ('nasvit', 'global', BEYOND, 'fp32'),
    ('vitas_deit_small', 'auto', BEYOND, 'fp16'),
    ('vitas_deit_small', 'window', BEYOND, 'fp32'),
    ('vitas_twins', 'auto', PADDED, 'fp16'),
]
OPTIONS = [
    dict(),
    dict(out_width=64, with_cp=True),
    dict(channels_last=True, drop_path_rate=0.1),
    dict(frozen_stages=1, norm_eval=True),
]
WHOLE_PRODUCT = list(itertools.product(NETWORKS, MODES, (WHOLE, BEYOND, PADDED), AMP, OPTIONS))


def built(space: str, of: Space, **options: Any) -> nn.Module:
    return FAMILIES[space].part('backbone')('supernet', of, **options)


def forward_and_backward(net: nn.Module, size: tuple[int, int], precision: str) -> None:
    with autocast(precision):
        maps = net(torch.randn(2, 3, *size, device=GPU))
    assert [m.shape[1] for m in maps] == net.out_channels
    assert {m.device.type for m in maps} == {GPU}
    sum(m.float().sum() for m in maps).backward()
    check_gradients(net)


def test_there_is_a_case_for_every_network() -> None:
    assert {case[0] for case in CASES} == set(NETWORKS)


@pytest.mark.parametrize(('space', 'mode', 'size', 'precision'), CASES)
def test_backward(space, mode, size, precision, meter) -> None:
    net = built(space, tiny(space), attention=mode).train().to(GPU)
    net.set_arch(net.space.largest)
    forward_and_backward(net, size, precision)


@pytest.mark.parametrize('precision', AMP)
def test_scores_that_are_computed_again_are_of_the_same_type(precision, meter, monkeypatch) -> None:
    monkeypatch.setattr(attention, 'TRAINED_ELEMENTS', 1)
    net = built('nasvit', tiny('nasvit'), attention='global').train().to(GPU)
    net.set_arch(net.space.largest)
    forward_and_backward(net, BEYOND, precision)


@pytest.mark.nightly
@pytest.mark.parametrize(('space', 'mode', 'size', 'precision', 'options'), WHOLE_PRODUCT)
def test_backward_of_the_rest(space, mode, size, precision, options, meter) -> None:
    net = built(space, small(space), attention=mode, **options).train().to(GPU)
    for arch in (net.space.largest, net.space.smallest, *net.space.sample_usable(0, 1)):
        net.set_arch(arch)
        forward_and_backward(net, size, precision)


@pytest.mark.parametrize('space', NETWORKS)
def test_a_network_in_half_precision_takes_images_of_any_size(space, meter) -> None:
    """As deployed, without autocast, which would hide that two dtypes meet."""
    net = built(space, tiny(space)).eval().to(GPU).half()
    with torch.inference_mode():
        maps = net(torch.randn(1, 3, *PADDED, device=GPU, dtype=torch.float16))
    assert {m.dtype for m in maps} == {torch.float16}
