"""The weights of an export: sliced out of a supernet, batch norm statistics of their own."""

from __future__ import annotations

import copy
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from nasvit_mm.checkpoints import extract_state
from nasvit_mm.data import check_data, seed_everything
from nasvit_mm.dense import build_model, look_at_data
from nasvit_mm.errors import UsageError
from nasvit_mm.nn import batch_norms, recalibrate_bn
from nasvit_mm.spaces import Arch
from nasvit_mm.supernet import check_phase

NOT_DONE = (
    "Batch norm statistics are the supernet's, a mixture that fits no subnet. "
    'Fine-tuning mends them; do not judge these weights as they are.'
)


def slice_backbone(backbone: nn.Module, arch: Arch, phase: int) -> dict[str, torch.Tensor]:
    """Slice an architecture's weights out of an elastic backbone.

    Raises:
        UsageError: it does not hold the architecture, or has no such phase.
    """
    check_phase(backbone, phase)
    try:
        backbone.space.arch(arch.to_dict())
    except ValueError as error:
        raise UsageError(f'the supernet does not hold {arch}: {error}') from error
    return extract_state(backbone, backbone.state_dict(), arch, phase)


def recalibrate_backbone(
    cfg: Config, state: dict[str, torch.Tensor], number: int, checked_in: str | Path | None = None
) -> tuple[str, bool]:
    """Recalibrate the statistics in a backbone's state on the task's training images, in place.

    Args:
        checked_in: folder with what checks of data found; None: what the images and annotations
            hold is not looked at.

    Returns:
        One sentence about what was done, and whether the statistics are of this subnet.

    Raises:
        DataError: the images are there, and something is wrong with them or their annotations.
    """
    cfg = copy.deepcopy(cfg)
    model = build_model(cfg)
    if not batch_norms(model.backbone):
        return 'The backbone has no batch norms: nothing to recalibrate.', True
    if not number:
        return f'{NOT_DONE} (Recalibration was switched off.)', False
    if 'train_dataloader' not in cfg:
        return f'{NOT_DONE} (The task has no train_dataloader.)', False
    try:
        check_data(cfg, 'train')
    except UsageError as error:
        return f'{NOT_DONE} ({error})', False
    if checked_in is not None:
        look_at_data(cfg, {'train': 'train'}, checked_in, model)
    model.backbone.load_state_dict(state, strict=False)  # the dense one may end at an earlier stage
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    seed_everything(0)  # augmentation that no SeedTransforms seeds
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    if torch.cuda.is_available():
        model.cuda()
    images = 0

    def forward(net: nn.Module, batch: Any) -> None:
        nonlocal images
        inputs = model.data_preprocessor(batch, True)['inputs']
        images += len(inputs)
        net(inputs)

    batches = recalibrate_bn(model.backbone, islice(loader, number), forward)
    for key, value in model.backbone.state_dict().items():
        if key in state and 'running_' in key:
            state[key] = value.cpu()
    return (
        f'Batch norm statistics were recalibrated on {images} training images of the task '
        f'({batches} batches).'
    ), True
