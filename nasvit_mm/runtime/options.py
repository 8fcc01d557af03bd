"""Command-line flags that change a config."""

from __future__ import annotations

from importlib.util import find_spec

from mmengine.config import Config

from nasvit_mm.compat import check_amp
from nasvit_mm.errors import UsageError


def enable_amp(cfg: Config) -> None:
    """Turn on mixed precision."""
    try:
        check_amp()
    except RuntimeError as error:
        raise UsageError(str(error)) from error
    if cfg.optim_wrapper.type not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UsageError(
            f'--amp needs optim_wrapper.type = OptimWrapper, the config says '
            f'{cfg.optim_wrapper.type}: leave --amp out'
        )
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def enable_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate by batch size over ``auto_scale_lr.base_batch_size``."""
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise UsageError(
            '--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in the '
            'config: the batch size that its learning rate is meant for'
        )
    cfg.auto_scale_lr.enable = True


def enable_tensorboard(cfg: Config) -> None:
    """Log to TensorBoard in addition to the config's backends."""
    if find_spec('tensorboard') is None:
        raise UsageError('--tensorboard: the package is missing: pip install tensorboard')
    cfg.visualizer.vis_backends = [
        *cfg.visualizer.get('vis_backends', ()),
        dict(type='TensorboardVisBackend'),
    ]


def loaders_without_workers(cfg: Config) -> None:
    """Turn off persistent workers in data loaders without workers, where torch refuses them."""
    for key, loader in cfg.items():
        if key.endswith('_dataloader') and loader and loader.get('num_workers') == 0:
            loader.persistent_workers = False
