"""Hooks of supernet training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, get_world_size
from mmengine.hooks import Hook

from nasvit_mm.errors import UsageError
from nasvit_mm.registry import HOOKS
from nasvit_mm.runtime import unwrapped
from nasvit_mm.supernet.model import Supernet


@HOOKS.register_module()
class SupernetState(Hook):
    """Keep what a supernet's step remembers (step, level, memory banks) in the checkpoint, and
    the cosine in the log of the steps that it is of; draw subnets by the run's seed.

    Raises:
        UsageError: when a run is resumed from a checkpoint that has none of it, or of another
            sampler; an optimizer wrapper that does what is the supernet's.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        supernet = _supernet(runner)
        supernet.check_optimizer(runner.optim_wrapper)
        supernet.steps_per_epoch = steps_per_epoch(runner)
        supernet.dump_dir = Path(runner.work_dir)
        seed = [runner.seed]
        broadcast_object_list(seed)  # with diff_rank_seed every process has another
        supernet.seed_draws(*seed)
        epochs = runner.max_iters / supernet.steps_per_epoch
        runner.logger.info(
            f'{runner.max_iters:,} steps, {supernet.steps_per_epoch:,} see the data '
            f'once: {epochs:.4g} epochs'
        )
        meant = runner.cfg.get('steps_per_epoch')
        if (
            meant
            and runner.max_iters % meant == 0
            and not 0.9 < supernet.steps_per_epoch / meant < 1.1
        ):
            runner.logger.warning(
                f'the schedule is of {meant:,} steps an epoch: it was meant to end after '
                f'{runner.max_iters // meant} epochs. --cfg-options steps_per_epoch='
                f'{supernet.steps_per_epoch} has it do so; --auto-scale-lr goes with it'
            )
        if supernet.conflict.rule != 'sum' and 0 < supernet.conflict.start_epoch >= epochs:
            runner.logger.warning(
                f'gradients are never projected: conflict.start_epoch = '
                f'{supernet.conflict.start_epoch}, and there are {epochs:.4g} epochs'
            )

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        # mmengine logs the last value there is, whichever step it is of.
        runner.message_hub.log_scalars.pop('train/cosine', None)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        supernet = _supernet(runner)
        checkpoint['supernet'] = dict(
            step=supernet.step,
            sampler=supernet.sampler.state_dict(),
            sampler_type=type(supernet.sampler).__name__,
        )

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        if not runner._resume:
            return
        supernet, state = _supernet(runner), checkpoint.get('supernet')
        if state is None:
            raise UsageError(
                'the checkpoint to resume from holds no state of a supernet (step, '
                'level, banks); to begin with its weights: load_from, no --resume'
            )
        ours = type(supernet.sampler).__name__
        theirs = state.get('sampler_type', ours)  # earlier checkpoints do not tell
        if theirs != ours:
            raise UsageError(
                f'the checkpoint to resume from is of a run with the sampler {theirs},'
                f' the config has {ours}: give the same, or begin with its weights: '
                'load_from, no --resume'
            )
        try:
            supernet.sampler.load_state_dict(state['sampler'])
        except (KeyError, ValueError, TypeError) as error:
            message = f'it lacks {error}' if isinstance(error, KeyError) else error
            raise UsageError(
                f'the checkpoint to resume from does not fit the sampler {ours} of '
                f'the config: {message}'
            ) from error
        supernet.step = int(state['step'])


def steps_per_epoch(runner: Any) -> int:
    """Steps in which the data are seen once."""
    loader = runner.train_dataloader
    batch = getattr(loader, 'batch_size', None) or loader.batch_sampler.batch_size
    return max(1, len(loader.dataset) // (batch * get_world_size()))


def _supernet(runner: Any) -> Supernet:
    model = unwrapped(runner.model)
    if not isinstance(model, Supernet):
        raise TypeError(f'the hook SupernetState is for a Supernet, not {type(model).__name__}')
    return model
