"""An evaluation on a GPU that is not there waits for it once a batch, and not once an image."""

from __future__ import annotations

import torch

from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.classification import Accuracy, ImageClassifier
from nasvit_mm.nn import recalibrate_bn
from tests.families import tiny
from tests.test_gpu.fake import GPU
from tests.test_gpu.test_networks import built


def test_a_batch_of_predictions(meter) -> None:
    net = ImageClassifier(tiny('vitas_deit_small'), num_classes=7).eval().to(GPU)
    data, metric = dict(inputs=torch.randn(4, 3, 64, 64), labels=torch.zeros(4).long()), Accuracy()
    meter.clear()
    with torch.no_grad():
        metric.process(data, net.val_step(data))
    assert meter.count('read') == 2  # labels, and places of the best scores
    assert meter.count('to GPU', 'to CPU', 'shape') == 0, meter.stalls


def test_batch_norm_statistics_of_a_subnet(meter) -> None:
    """Its weights are of the GPU from the first; its statistics are not asked how many they are."""
    supernet = built('elasticvit', tiny('elasticvit')).eval().to(GPU)
    meter.clear()
    subnet = extract_subnet(supernet, supernet.space.smallest)
    assert {t.device.type for t in subnet.state_dict().values()} == {GPU}
    assert not meter.stalls
    recalibrate_bn(subnet, [torch.randn(2, 3, 64, 64, device=GPU)])
    assert meter.count('read') == 0
    assert {t.device.type for t in subnet.state_dict().values()} == {GPU}
