"""Train the model of a config.

    python tools/train.py configs/seg/nasvit_ade20k.py [--work-dir DIR] [--resume] [--amp] ...
    tools/dist_train.sh CONFIG 8                    # 8 GPUs; tools/slurm_train.sh for a cluster

The same flags as mmseg's and mmdet's tool.  A run that was killed goes on with --resume as if it
had not been: the same batches in the same order, bit-equal weights on the same CPU.
"""

from __future__ import annotations

import argparse

import _common  # first: it makes the OpenMMLab packages importable
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from nasvit_mm.checkpoints import check_checkpoint_exists
from nasvit_mm.config import add_own_hooks
from nasvit_mm.data import check_data
from nasvit_mm.dense import (
    check_backbone_fits,
    check_channels,
    check_checkpoint_fits,
    check_pretrained,
)
from nasvit_mm.runtime import (
    check_schedule,
    disk_errors,
    enable_amp,
    enable_auto_scale_lr,
    enable_tensorboard,
    latest_checkpoint,
    start_processes,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='file of configs/')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; without a name from the latest in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate by the batch size over the config's base_batch_size",
    )
    parser.add_argument(
        '--tensorboard', action='store_true', help='also log for TensorBoard, to the work dir'
    )
    _common.add_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = _common.load_config(args)
    check_schedule(cfg)
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        enable_auto_scale_lr(cfg)
    if args.tensorboard:
        enable_tensorboard(cfg)

    resume_from = args.resume
    if args.resume == 'auto':
        resume_from = latest_checkpoint(cfg.work_dir)  # none yet: a fresh start
    if resume_from is not None:
        check_checkpoint_exists(resume_from)
        cfg.load_from = resume_from
        cfg.resume = True
    elif cfg.get('load_from'):
        check_checkpoint_exists(cfg.load_from)
    add_own_hooks(cfg)
    check_pretrained(cfg)
    check_data(cfg, 'train', 'val')
    start_processes(cfg)

    with disk_errors(cfg.work_dir):
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        check_channels(runner.model)
        if resume_from is not None:
            check_checkpoint_fits(runner.model, resume_from, cfg)
        elif cfg.get('load_from'):
            check_backbone_fits(runner.model, cfg.load_from, cfg)
        runner.train()


if __name__ == '__main__':
    _common.run(main)
