"""Building the model of a config."""

from __future__ import annotations

import contextlib
import sys

from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import init_default_scope
from torch import nn

from nasvit_mm.building import building
from nasvit_mm.dense.channels import check_channels
from nasvit_mm.dense.check_inputs import check_preprocessor
from nasvit_mm.dense.task_genes import build_network


def build_model(cfg: Config) -> nn.Module:
    """Return the config's model for one process, in evaluation mode, with fresh weights.

    Raises:
        UsageError: it cannot be built, or neck and head do not take what the backbone gives.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    check_preprocessor(cfg)
    if 'pretrained' in cfg.model:
        cfg.model.pretrained = None  # mmseg's configs would download weights here
    # OneDL's mmseg prints what it did not find.
    with building(cfg), contextlib.redirect_stdout(sys.stderr):
        model = revert_sync_batchnorm(build_network(cfg.model, MMENGINE_MODELS.build))
    model.eval()  # which of LAD returns nothing
    check_channels(model)
    return model
