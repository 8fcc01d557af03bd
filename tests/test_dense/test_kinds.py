"""Task adapters: their loss is the model's own, and what is distilled is what it predicts by."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from nasvit_mm.data import seed_everything
from nasvit_mm.dense import OneStageTask, SegmentationTask, TwoStageTask, build_model, task_of
from tests.commands import ROOT
from tests.test_supernet.tasks import batch

SIZE = (96, 128)
CASES = {
    'configs/demo/nasvit_demo.py': SegmentationTask,
    'configs/seg/vitas_ade20k_upernet.py': SegmentationTask,  # with an auxiliary head
    'configs/demo/nasvit_detection.py': OneStageTask,
    'configs/det/nasvit_coco_mask.py': TwoStageTask,
}


def model_of(path: str):
    cfg = Config.fromfile(ROOT / path)
    if 'upernet' in path:
        cfg.model.backbone.update(arch='twins_tiny')
        cfg.model.decode_head.update(channels=32)
        from nasvit_mm.dense import fit_channels
        from nasvit_mm.families.vitas_twins.network import TwinsViTAS

        fit_channels(cfg, TwinsViTAS('twins_tiny').out_channels)
    seed_everything(0)
    return build_model(cfg)


@pytest.mark.parametrize('path', CASES)
def test_the_loss_is_the_models_own(path):
    model = model_of(path)
    task, data = task_of(model), batch(model, SIZE)
    assert type(task) is CASES[path]
    seed_everything(1)
    output = task.forward(model, data)
    seed_everything(1)
    own, _ = model.parse_losses(model.loss(data['inputs'], data['data_samples']))
    assert output.loss.item() == pytest.approx(own.item(), rel=1e-5)
    output.loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        assert task.score(model, data).item() < 0


def test_what_is_distilled():
    model = model_of('configs/demo/nasvit_demo.py')
    output = task_of(model).forward(model, batch(model, SIZE))
    (logits,) = output.logits
    assert logits.shape[:2] == (2, 150) and output.rest == 0

    model = model_of('configs/demo/nasvit_detection.py')
    data = batch(model, SIZE)
    output = task_of(model).forward(model, data)
    scores, _ = model.bbox_head(model.extract_feat(data['inputs']))
    assert len(output.logits) == len(scores) == 5
    for z, score in zip(output.logits, scores):
        assert z.shape[:2] == (2, 2)
        assert torch.allclose(z.softmax(1)[:, 0], score.sigmoid(), atol=1e-5)
    losses = model.bbox_head.loss(model.extract_feat(data['inputs']), data['data_samples'])
    boxes = sum(part.mean() for part in losses['loss_bbox'])
    assert output.rest.item() == pytest.approx(boxes.item(), rel=1e-4)
