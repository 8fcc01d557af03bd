"""What is chosen by the device: kernels and types that a GPU runs better by."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F

from nasvit_mm.supernet import distill
from tests.families import tiny
from tests.test_gpu.fake import GPU
from tests.test_gpu.test_networks import WHOLE, built


def test_the_joint_norm_is_no_layer_norm(meter) -> None:
    """Whose kernel has one block of a GPU work on an image."""
    net = built('nasvit', tiny('nasvit')).train().to(GPU)
    net(torch.randn(2, 3, *WHOLE, device=GPU))
    assert meter.launches['var_mean'] and not meter.launches['native_layer_norm']


@pytest.mark.parametrize('space', ['elasticvit', 'vitas_deit_small', 'vitas_twins'])
def test_attention_without_talking_heads_is_fused(space, meter, monkeypatch) -> None:
    fused, asked = F.scaled_dot_product_attention, []
    monkeypatch.setattr(
        F, 'scaled_dot_product_attention', lambda *a, **k: asked.append(a) or fused(*a, **k)
    )
    net = built(space, tiny(space)).to(GPU)
    net.set_arch(net.space.largest)
    net(torch.randn(1, 3, *WHOLE, device=GPU))
    assert asked


def test_teachers_are_in_half_precision(meter, monkeypatch) -> None:
    monkeypatch.setattr(distill, '_teacher', lambda name, file: timm.create_model(name).eval())
    teachers, seen = distill.Teachers(['mobilenetv3_small_050']), []
    teachers.models[0].conv_stem.register_forward_hook(lambda *call: seen.extend(call[1:]))
    (logits,) = teachers(torch.randn(2, 3, 64, 64, device=GPU))
    (images,), maps = seen
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert maps.dtype == torch.bfloat16
    assert logits.dtype == torch.float32 and logits.device.type == GPU
