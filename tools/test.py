"""Evaluate a checkpoint on the test data of a config.

    python tools/test.py CONFIG CHECKPOINT [--show-dir DIR] [--out DIR] [--tta] ...

The same flags as mmseg's and mmdet's tool.  Unlike there, a checkpoint that does not fit the model
is an error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import _common  # first: it makes the OpenMMLab packages importable
from mmengine.config import Config, ConfigDict
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from nasvit_mm.checkpoints import check_checkpoint_exists
from nasvit_mm.config import type_name
from nasvit_mm.data import check_data
from nasvit_mm.dense import check_channels, check_checkpoint_fits
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import start_processes


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='file of configs/')
    parser.add_argument('checkpoint', help='file or URL')
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='write predicted label maps there, or of a '
        "detector its boxes and masks in COCO's JSON",
    )
    parser.add_argument('--show', action='store_true', help='show predictions in windows')
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='draw annotation | prediction of every picture to DIR/vis_data/vis_image',
    )
    parser.add_argument('--wait-time', type=float, default=2, help='seconds per window of --show')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    _common.add_arguments(parser)
    return parser.parse_args()


def draw(cfg: Config, args: argparse.Namespace) -> None:
    """Turn on the visualization hook of mmseg or mmdet."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise UsageError(
            '--show and --show-dir need default_hooks.visualization in the config: '
            "dict(type='SegVisualizationHook'), of a detector dict(type='DetVisualizationHook')"
        )
    hook.draw = True
    if args.show:
        hook.show, hook.wait_time = True, args.wait_time
    if args.show_dir:
        cfg.visualizer.save_dir = args.show_dir


def augment(cfg: Config) -> None:
    """Wrap model and pipeline for test-time augmentation."""
    missing = [key for key in ('tta_model', 'tta_pipeline') if cfg.get(key) is None]
    if missing:
        raise UsageError(f'--tta needs {" and ".join(missing)} in the config')
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def write_results(cfg: Config, folder: str) -> None:
    """Have the metric write label maps, or detections."""
    many = isinstance(cfg.test_evaluator, (list, tuple))
    for evaluator in cfg.test_evaluator if many else [cfg.test_evaluator]:
        if evaluator['type'].endswith('CocoMetric'):
            Path(folder).mkdir(parents=True, exist_ok=True)
            evaluator['outfile_prefix'] = str(Path(folder, 'detections'))
        elif evaluator['type'].endswith('Accuracy'):
            raise UsageError(
                '--out writes label maps, or detections; a classifier has '
                'neither: leave it out, scores are in the log'
            )
        else:
            evaluator['output_dir'], evaluator['keep_results'] = folder, True


def main() -> None:
    args = parse_args()
    cfg = _common.load_config(args)
    check_checkpoint_exists(args.checkpoint)
    check_data(cfg, 'test')
    if type_name(cfg.model) == 'Supernet':
        cfg.model.teachers = None  # only training asks them
    # A moving average is what its training's checkpoints have as weights.
    cfg.custom_hooks = [
        hook
        for hook in cfg.get('custom_hooks') or ()
        if 'EMAHook' not in str(hook.get('type') if isinstance(hook, dict) else hook)
    ]
    if args.show or args.show_dir:
        draw(cfg, args)
    if args.tta:
        augment(cfg)
    if args.out:
        write_results(cfg, args.out)
    cfg.load_from, cfg.resume = None, False
    start_processes(cfg)

    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    check_channels(runner.model)
    check_checkpoint_fits(runner.model, args.checkpoint, cfg)
    runner.load_checkpoint(args.checkpoint)
    runner.test()
    if args.show_dir:
        runner.logger.info(f'pictures: {Path(args.show_dir, "vis_data", "vis_image")}')


if __name__ == '__main__':
    _common.run(main)
