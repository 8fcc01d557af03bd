"""Command-line flags that change a config."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device

from nasvit_mm.compat import check_amp, half_type
from nasvit_mm.errors import UsageError


def enable_amp(cfg: Config) -> None:
    """Turn on mixed precision: bfloat16 where the GPU has it, unless the config says otherwise.

    Only float16 has its loss scaled: bfloat16 has the range of float32.
    """
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
    if get_device() == 'cuda':
        cfg.optim_wrapper.setdefault('dtype', str(half_type('cuda')).removeprefix('torch.'))
    wide = str(cfg.optim_wrapper.get('dtype')).endswith('bfloat16')
    cfg.optim_wrapper.setdefault('loss_scale', 1.0 if wide else 'dynamic')


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
    visualizer = cfg.get('visualizer') or dict(type='Visualizer')
    backends = [*(visualizer.get('vis_backends') or ()), dict(type='TensorboardVisBackend')]
    cfg.visualizer = dict(visualizer, vis_backends=backends)


def loaders_without_workers(cfg: Config) -> None:
    """Turn off persistent workers in data loaders without workers, where torch refuses them."""
    for key, loader in cfg.items():
        if key.endswith('_dataloader') and loader and loader.get('num_workers') == 0:
            loader.persistent_workers = False


def pin_loaders(cfg: Config) -> None:
    """Have data loaders pin their batches where there is a GPU to fetch them while it computes."""
    for key, loader in cfg.items():
        if key.endswith('_dataloader') and loader and torch.cuda.is_available():
            loader.setdefault('pin_memory', True)


def show_predictions(
    cfg: Config, show: bool = False, folder: str | Path | None = None, wait_time: float = 2.0
) -> None:
    """Turn on the visualization hook of mmseg or mmdet.

    Args:
        show: show predictions in windows.
        folder: draw annotation | prediction of every image under it; None: do not.
        wait_time: seconds that a window stays.

    Raises:
        UsageError: the config has no such hook.
    """
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise UsageError(
            '--show and --show-dir need default_hooks.visualization in the config: '
            "dict(type='SegVisualizationHook'), of a detector dict(type='DetVisualizationHook')"
        )
    hook.draw = True
    if show:
        hook.show, hook.wait_time = True, wait_time
    if folder:
        cfg.visualizer.save_dir = str(folder)


def augment_tests(cfg: Config) -> None:
    """Wrap model and test pipeline for test-time augmentation.

    Raises:
        UsageError: the config says not how.
    """
    missing = [key for key in ('tta_model', 'tta_pipeline') if cfg.get(key) is None]
    if missing:
        raise UsageError(f'--tta needs {" and ".join(missing)} in the config')
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def without_moving_average(cfg: Config) -> None:
    """Drop the hook of a moving average, which its training's checkpoints have as weights."""
    cfg.custom_hooks = [
        hook
        for hook in cfg.get('custom_hooks') or ()
        if 'EMAHook' not in str(hook.get('type') if isinstance(hook, dict) else hook)
    ]
