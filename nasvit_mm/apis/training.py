"""``train``: what ``nasvit-mm train`` does."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from nasvit_mm.apis.common import AnyConfig, build_runner, run_config
from nasvit_mm.building import building, plain_files
from nasvit_mm.checkpoints import check_checkpoint_exists, read_checkpoint, weights_only
from nasvit_mm.compat import check_operations
from nasvit_mm.config import add_own_hooks
from nasvit_mm.data import check_contents, check_data
from nasvit_mm.dense import (
    check_backbone_fits,
    check_checkpoint_fits,
    check_pretrained,
    use_pretrained,
    warn_of_nothing,
    warn_of_other_input,
)
from nasvit_mm.runtime import (
    DrawCurves,
    RefitSchedule,
    RegroupOptimizer,
    StopAtNaN,
    check_epochs,
    check_has_model,
    check_resumed,
    check_schedule,
    check_trains,
    checkpoint_to_resume,
    differences_table,
    differing_processes,
    disk_errors,
    enable_amp,
    enable_auto_scale_lr,
    enable_tensorboard,
    group_parameters,
    handed_over,
    keep_checkpoints_whole,
    locked,
    start_processes,
    warn_of_unmatched,
    warn_of_values,
    whole_files,
)
from nasvit_mm.teacher import take_teacher


@plain_files()
def train(
    cfg: AnyConfig,
    resume: bool | str | Path | None = None,
    *,
    work_dir: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    pretrained: str | Path | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    tensorboard: bool = False,
    skip_data_check: bool = False,
    fit_schedule: bool = False,
) -> Runner:
    """Train the model of a config.

    Args:
        cfg: of a segmentor, a detector, a classifier or a supernet.
        resume: a checkpoint to resume from; True or ``'auto'``: the newest in the work dir, and a
            fresh start where there is none.
        work_dir: where logs and checkpoints go (of a file ``work_dirs/<its name>``).
        options: overrides by dotted key: ``{'train_cfg.max_iters': 100}``.
        pretrained: weights that the backbone begins with, whatever the config says: a checkpoint of
            this network or of a supernet of its space, ours or the authors', or the name of a model
            whose weights timm has; see ``docs/weights.md``.
        amp: mixed precision; needs a GPU.
        auto_scale_lr: scale the learning rate by the batch size over the config's
            ``base_batch_size``.
        tensorboard: also log for TensorBoard.
        skip_data_check: do not look at what annotations and masks hold.
        fit_schedule: scale warm-up, milestones and ends of the schedule to the length of training.

    Returns:
        mmengine's runner, with the trained ``model``.

    Raises:
        UsageError: a mistake in the config, the data or a checkpoint, before the model is built
            where it can be seen by then; no space left to write.
    """
    cfg = run_config(cfg, options, work_dir, fit_schedule)
    check_has_model(cfg)
    check_trains(cfg)
    if pretrained is not None:
        use_pretrained(cfg, str(pretrained))
    take_teacher(cfg)
    check_schedule(cfg)
    warn_of_values(cfg)
    check_operations(cfg)
    if amp:
        enable_amp(cfg)
    if auto_scale_lr:
        enable_auto_scale_lr(cfg)
    if tensorboard:
        enable_tensorboard(cfg)

    if resume is None and cfg.get('resume'):
        resume = cfg.get('load_from') or True
    cfg.resume = False  # by which mmengine would follow its pointer, wherever it leads
    if resume in (True, 'auto'):
        resume = checkpoint_to_resume(cfg.work_dir)
    if resume:
        resume, checkpoint = str(resume), read_checkpoint(resume)
        differing = check_resumed(cfg, resume, checkpoint, fit_schedule)
        cfg.load_from, cfg.resume = resume, True
    elif cfg.get('load_from'):
        check_checkpoint_exists(cfg.load_from)
    add_own_hooks(cfg)
    keep_checkpoints_whole(cfg)
    check_pretrained(cfg)
    check_data(cfg, 'train', 'val')
    check_contents(cfg, 'train', 'val', skip=skip_data_check)
    start_processes(cfg)

    with (
        building(cfg),
        disk_errors(cfg.work_dir),
        locked(cfg.work_dir),
        weights_only(),
        whole_files(),
        ExitStack() as handing,
    ):
        runner = build_runner(cfg)
        warn_of_unmatched(cfg, runner.model)
        check_epochs(runner, fit_schedule)
        group_parameters(runner)
        runner.register_hook(StopAtNaN())
        runner.register_hook(DrawCurves())
        if resume:
            runner.register_hook(RegroupOptimizer())
            check_checkpoint_fits(runner.model, resume, cfg, checkpoint=checkpoint)
            differing += differing_processes(checkpoint.meta)
            if differing:
                runner.logger.warning(differences_table(differing, resume, fit_schedule))
            if fit_schedule and cfg.get('param_scheduler'):
                runner.register_hook(RefitSchedule(runner.cfg.param_scheduler))
            handing.enter_context(handed_over(resume, checkpoint))
            del checkpoint  # a training needs the memory
        elif cfg.get('load_from'):
            check_backbone_fits(runner.model, cfg.load_from, cfg)
        else:
            warn_of_nothing(cfg, lambda: len(runner.train_dataloader.dataset))
            warn_of_other_input(runner.model, cfg)
        runner.train()
    return runner
