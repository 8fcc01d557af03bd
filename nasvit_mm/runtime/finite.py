"""A training stops at a loss or weights that are NaN, and its good checkpoints stay the newest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper

from nasvit_mm.checkpoints import find_nan
from nasvit_mm.errors import DataError
from nasvit_mm.registry import HOOKS
from nasvit_mm.runtime.resume import latest_checkpoint

SKIPPED = 20  # steps in a row that the scaler of mixed precision may skip, halving its scale
SHOWN = 3  # images of a batch


class NonFiniteLoss(DataError):
    """A loss, a gradient or a weight is NaN or infinite; one process of several may be the first
    to see it, as with a mistake in the data.
    """


@HOOKS.register_module()
class StopAtNaN(Hook):
    """Ends a training whose loss is NaN or infinite, and writes no checkpoint with NaN weights.

    It waits for no device: mmengine has brought the loss of every step to the CPU for its log, and
    the weights for the checkpoint.  A gradient that is NaN though its loss is not is seen in the
    next step's loss, or in the checkpoint that would be next.  In mixed precision the scaler skips
    a step whose gradients are not finite, and the optimizer does not run; only many in a row end
    the training.  (An optimizer with ``fused=True`` runs all the same, so there it is not seen.)

    Raises:
        NonFiniteLoss: names the step, the terms of the loss, the batch and the newest checkpoint.
    """

    priority = 'HIGH'  # after RuntimeInfoHook, which has the numbers, and before any checkpoint

    def before_train(self, runner: Any) -> None:
        self._skipped = 0
        self._without_step = 0  # iterations since the optimizer last ran, in mixed precision
        if isinstance(runner.optim_wrapper, AmpOptimWrapper):
            runner.optim_wrapper.optimizer.register_step_post_hook(self._stepped)

    def _stepped(self, *args: Any) -> None:
        self._without_step = -1  # this iteration is counted after it

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        scalars = runner.message_hub.log_scalars
        values = {key: scalars[f'train/{key}'].current() for key in outputs or () if 'loss' in key}
        if all(map(math.isfinite, values.values())):
            self._skipped = 0
            self._check_steps(runner)
            return
        self._skipped += 1
        if isinstance(runner.optim_wrapper, AmpOptimWrapper) and self._skipped < SKIPPED:
            return
        wrong = {key: value for key, value in values.items() if not math.isfinite(value)}
        terms = [key for key in wrong if key != 'loss'] or list(wrong)
        named = ', '.join(f'{key} = {wrong[key]}' for key in terms)
        images = list(itertools.islice(_images(data_batch), SHOWN))
        batch = f', with the batch of {", ".join(images)}' if images else ''
        raise NonFiniteLoss(f'{named} in step {runner.iter + 1}{batch}: {_remedy(runner)}')

    def _check_steps(self, runner: Any) -> None:
        """Check that the scaler of mixed precision does not skip every step."""
        wrapper = runner.optim_wrapper
        if not isinstance(wrapper, AmpOptimWrapper):
            return
        self._without_step += 1
        if self._without_step < SKIPPED * wrapper._accumulative_counts:
            return
        raise NonFiniteLoss(
            f'the gradients of {SKIPPED} steps in a row are NaN or infinite, though the losses are '
            f'not, the last in step {runner.iter + 1}; mixed precision skips such steps, and '
            f'nothing is trained: train without it, or {_remedy(runner)}'
        )

    def before_save_checkpoint(self, runner: Any, checkpoint: Mapping[str, Any]) -> None:
        for weights in ('state_dict', 'ema_state_dict'):
            broken = find_nan(checkpoint.get(weights, {}))
            if broken:
                raise NonFiniteLoss(
                    f'{len(broken)} of the {len(checkpoint[weights])} weights are NaN in step '
                    f'{runner.iter + 1}, the first is {broken[0]}; nothing is saved: '
                    f'{_remedy(runner)}'
                )


def _images(batch: Any) -> Iterator[str]:
    samples = batch.get('data_samples') if isinstance(batch, Mapping) else None
    for sample in samples or ():
        path = getattr(sample, 'img_path', None)
        if path:
            yield str(path)


def _remedy(runner: Any) -> str:
    """Say how to train by a tenth of the learning rate, from the start or the newest checkpoint."""
    optimizer = runner.cfg.get('optim_wrapper', {}).get('optimizer', {})
    if not isinstance(optimizer.get('lr'), (int, float)):
        return 'begin again with a smaller learning rate'
    option = f'--cfg-options optim_wrapper.optimizer.lr={optimizer["lr"] / 10:g}'
    newest = latest_checkpoint(runner.work_dir)
    more = f' load_from={newest}, unless the loss had risen before it' if newest else ''
    return f'begin again with a smaller learning rate: {option}{more and f"; or add{more}"}'
