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
    """Keeps the state of a supernet's training (step, level, memory banks) in the checkpoint.

    It also seeds the draws of subnets with the run's seed, has the dense teacher built, where there
    is one, and limits the cosine in the log to the steps that computed it.

    Raises:
        UsageError: the checkpoint to resume from lacks this state or comes from another sampler;
            the optimizer wrapper does what the supernet does itself; or training is too short for
            the sampler.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        supernet = _supernet(runner)
        supernet.check_optimizer(runner.optim_wrapper)
        supernet.steps_per_epoch = steps_per_epoch(runner)
        supernet.dump_dir = Path(runner.work_dir)
        seed = [runner.seed]
        broadcast_object_list(seed)  # with diff_rank_seed the processes' seeds differ
        supernet.seed_draws(*seed)
        supernet.sampler.check_length(runner.max_iters)
        if supernet.taught:
            supernet.taught.teacher.begin(runner)
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
                f'the schedule assumes {meant:,} steps an epoch: it was meant to end after '
                f'{runner.max_iters // meant} epochs. --cfg-options steps_per_epoch='
                f'{supernet.steps_per_epoch} makes it do so; add --auto-scale-lr'
            )
        if supernet.conflict.rule != 'sum' and 0 < supernet.conflict.start_epoch >= epochs:
            runner.logger.warning(
                f'gradients are never projected: conflict.start_epoch = '
                f'{supernet.conflict.start_epoch}, and there are {epochs:.4g} epochs'
            )

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        # mmengine logs the last value it has, even if it comes from an earlier step.
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
                'level, banks); to start from its weights give load_from, without --resume'
            )
        ours = type(supernet.sampler).__name__
        theirs = state.get('sampler_type', ours)  # earlier checkpoints do not record it
        if theirs != ours:
            raise UsageError(
                f'the checkpoint to resume from was written with the sampler {theirs},'
                f' the config has {ours}: use the same, or start from its weights: '
                'load_from, without --resume'
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
    """Return the number of steps in which the data are seen once."""
    loader = runner.train_dataloader
    batch = getattr(loader, 'batch_size', None) or loader.batch_sampler.batch_size
    return max(1, len(loader.dataset) // (batch * get_world_size()))


def _supernet(runner: Any) -> Supernet:
    model = unwrapped(runner.model)
    if not isinstance(model, Supernet):
        raise UsageError(
            f'the hook SupernetState is for a model of the type nasvit_mm.Supernet, not '
            f'{type(model).__name__}: leave it out of custom_hooks'
        )
    return model
