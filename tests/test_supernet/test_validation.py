"""Subnets are evaluated with statistics of their own, and the supernet stays as it is."""
from __future__ import annotations

import pytest
import torch

from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.nn import recalibrate_bn
from nasvit_mm.supernet import calibrated
from tests.test_supernet.test_model import batch, build


@pytest.mark.parametrize('space', ['nasvit', 'elasticvit', 'vitas_twins'])
def test_calibrated_is_the_extracted_and_recalibrated_subnet(space):
    model = build(space).model
    batches, arch = [batch(seed) for seed in range(3)], model.backbone.space.sample(1)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    ours = calibrated(model, arch, batches)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training and not any(m.training for m in ours.modules())
    subnet = extract_subnet(model.classifier(), arch)
    x = batch(9)['inputs']
    with torch.no_grad():
        uncalibrated = subnet.eval()(x)
        if space != 'vitas_twins':  # which has no batch norm
            recalibrate_bn(subnet, (b['inputs'] for b in batches))
            assert not torch.allclose(subnet(x), uncalibrated, atol=1e-3)
        torch.testing.assert_close(ours(x), subnet(x), rtol=1e-3, atol=1e-3)


def test_the_supernet_stays_on_an_error():
    model = build('nasvit').model
    before = {k: v.clone() for k, v in model.state_dict().items()}
    active = model.backbone.arch

    def broken():
        yield batch()
        raise OSError('unreadable picture')

    with pytest.raises(OSError):
        calibrated(model, 'smallest', broken())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.backbone.arch == active and model.training
