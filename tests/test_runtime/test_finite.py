"""A training stops at NaN, before it writes a checkpoint of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from nasvit_mm import apis
from nasvit_mm.checkpoints import find_nan, read_checkpoint
from nasvit_mm.runtime import NonFiniteLoss, StopAtNaN
from nasvit_mm.runtime.finite import SKIPPED
from tests.test_runtime.toy import quick_runs, toy_config

RATE = 'optim_wrapper.optimizer.lr'


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with quick_runs():
        yield


@pytest.mark.parametrize(
    ('where', 'said'),
    [
        # The fifth step: the checkpoint of the fourth is good.
        (dict(nan_loss=5), r'loss = nan in step 5: '),
        (dict(nan_gradient=5), r'loss = nan in step 6: '),
        # The sixth would write a checkpoint, and no step's loss has shown it yet.
        (dict(nan_gradient=6), r'of the \d+ weights are NaN in step 6, .*nothing is saved: '),
    ],
    ids=str,
)
def test_it_stops_and_what_is_good_stays(where: dict, said: str, tmp_path: Path) -> None:
    """Following the remedy to its end."""
    options = {f'model.{key}': value for key, value in where.items()}
    with pytest.raises(NonFiniteLoss, match=said) as caught:
        apis.train(toy_config(tmp_path), options=options)
    assert {path.name for path in tmp_path.glob('iter_*')} == {'iter_4.pth'}
    assert not find_nan(read_checkpoint(tmp_path / 'iter_4.pth').state)
    remedy = str(caught.value).split('--cfg-options ')[1]
    lr, load_from = re.fullmatch(r'(.+?)=(.+?); or add (.+=.+), unless .*', remedy).groups()[1:]
    assert load_from == f'load_from={tmp_path}/iter_4.pth' and float(lr) == 1e-3
    given = {RATE: float(lr), 'load_from': load_from.partition('=')[2]}
    assert apis.train(toy_config(tmp_path), options=given).iter == 10


def test_a_rate_that_is_too_large(tmp_path: Path) -> None:
    """The remedy leads to one that is not."""
    options = {RATE: 1e3, 'param_scheduler': None}
    with pytest.raises(NonFiniteLoss):
        apis.train(toy_config(tmp_path), options=options)
    while not (tmp_path / 'iter_10.pth').exists():
        try:
            apis.train(toy_config(tmp_path), options=options)
        except NonFiniteLoss as error:
            options[RATE] = float(re.search(rf'--cfg-options {RATE}=([^ ;]+)', str(error))[1])


class Wrapper(AmpOptimWrapper):
    """Mixed precision's on a CPU, where mmengine's cannot be built."""

    def __init__(self, accumulative_counts: int = 1) -> None:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        OptimWrapper.__init__(self, optimizer, accumulative_counts)
        self._scale_update_param = None
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=4.0)


@pytest.mark.parametrize('batches', [1, 3])
def test_mixed_precision_does_not_skip_every_step(batches: int) -> None:
    """With losses that are fine: the scaler alone sees gradients."""
    wrapper, hub = Wrapper(batches), MessageHub(f'skips{batches}')
    runner = SimpleNamespace(message_hub=hub, optim_wrapper=wrapper, iter=7, work_dir='', cfg={})
    hook, outputs = StopAtNaN(), dict(loss=torch.tensor(1.0))
    hub.update_scalar('train/loss', 1.0)
    hook.before_train(runner)
    (weight,) = wrapper.optimizer.param_groups[0]['params']

    def steps(number: int, factor: float) -> None:
        for _ in range(number * batches):
            wrapper.update_params(weight.sum() * factor)
            hook.after_train_iter(runner, 0, outputs=outputs)

    for factor in (1.0, float('nan'), 1.0, float('nan')):
        steps(SKIPPED - 1, factor)
    with pytest.raises(NonFiniteLoss, match=f'of {SKIPPED} steps in a row are NaN .* in step 8; '):
        steps(1, float('nan'))


@pytest.mark.parametrize('steps', [SKIPPED - 1, SKIPPED])
def test_mixed_precision_may_skip_some_steps(steps: int) -> None:
    """The scaler lowers its scale then; what never ends is an error."""
    hub = MessageHub(f'amp{steps}')
    wrapper = Wrapper()
    runner = SimpleNamespace(message_hub=hub, optim_wrapper=wrapper, iter=7, work_dir='', cfg={})
    hook, outputs = StopAtNaN(), dict(loss=torch.tensor(float('inf')))
    hook.before_train(runner)
    hub.update_scalar('train/loss', float('inf'))
    for _ in range(min(steps, SKIPPED - 1)):
        hook.after_train_iter(runner, 0, outputs=outputs)
    if steps == SKIPPED:
        with pytest.raises(NonFiniteLoss, match='loss = inf in step 8: begin again with a smaller'):
            hook.after_train_iter(runner, 0, outputs=outputs)
    else:
        hub.update_scalar('train/loss', 1.0)
        hook.after_train_iter(runner, 0, outputs=outputs)
        hub.update_scalar('train/loss', float('nan'))
        hook.after_train_iter(runner, 0, outputs=outputs)
