"""Starting and ending a process group, also on CPUs."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import barrier, is_distributed
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn
from torch.distributed import destroy_process_group

from nasvit_mm.compat import init_distributed, keep_freed_memory
from nasvit_mm.config import config_parts, is_own, own_kind
from nasvit_mm.errors import UsageError


def is_first() -> bool:
    """Return whether this is the only process, or the first of several."""
    return os.environ.get('RANK', '0') == '0'


def start_processes(cfg: Config) -> None:
    """Start the process group for the launcher, and adapt the config to gloo on a CPU.

    On a CPU the process keeps memory that tensors gave back.
    """
    if get_device() == 'cpu':
        keep_freed_memory()
    backend = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('backend')
    try:
        init_distributed(cfg.launcher, backend)
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    if cfg.launcher == 'none':
        return
    model = cfg.get('model') or {}
    wrapper = getattr(own_kind(model), 'wrapper', None)
    if wrapper and cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(type=wrapper)
    if get_device() not in ('cpu', 'mps'):
        return
    # mmengine's default wrapper passes device_ids for a CPU model, which torch refuses.
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None)
    changed = sum(_plain_batch_norm(part) for part in _foreign_norms(model))
    if changed:
        print_log(
            'no GPU: batch norms outside the backbone keep statistics of their own process, '
            "because torch's SyncBatchNorm runs on GPUs only",
            logger='current',
        )


def end_processes() -> None:
    """Leave the process group in an orderly way; do nothing if there is none.

    All processes call it at the end of their work, when nothing refers to a distributed model any
    more: a process that exits while gloo's threads run may be aborted by the C++ runtime.
    """
    if is_distributed():
        gc.collect()  # the runner is a reference cycle that holds the wrapped model and its reducer
        barrier()
        destroy_process_group()


def _foreign_norms(model: Any) -> Iterator[Any]:
    """Yield every norm_cfg of modules that are not this project's; our own norms run on a CPU."""
    for _, part in config_parts(model, 'model'):
        if isinstance(part.get('norm_cfg'), Mapping) and not is_own(part):
            yield part['norm_cfg']


def _plain_batch_norm(norm_cfg: Any) -> bool:
    if norm_cfg.get('type') != 'SyncBN':
        return False
    norm_cfg['type'] = 'BN'
    return True


def unwrapped(model: nn.Module, *also: type) -> nn.Module:
    """Return the model inside distributed wrappers, and inside wrappers of the types ``also``."""
    while is_model_wrapper(model) or isinstance(model, also):
        model = model.module
    return model
