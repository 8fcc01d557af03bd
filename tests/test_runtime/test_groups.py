"""Parameters with equal options are one group, and older checkpoints resume all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nasvit_mm import apis
from nasvit_mm.checkpoints import read_checkpoint
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime.groups import merged
from tests.test_runtime.toy import quick_runs, toy_config

OPTIONS = {
    'optim_wrapper.optimizer.weight_decay': 0.1,
    'optim_wrapper.paramwise_cfg': dict(
        norm_decay_mult=0.0, custom_keys={'layer.bias': dict(lr_mult=2.0)}
    ),
    'default_hooks.checkpoint.max_keep_ckpts': -1,
}
MMENGINES = {'optim_wrapper.constructor': 'DefaultOptimWrapperConstructor'}


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with quick_runs():
        yield


def test_equal_options_are_one_group_in_the_order_of_the_first() -> None:
    groups = [dict(params=[i], lr=lr) for i, lr in enumerate((1, 2, 1, 3, 2))]
    assert merged(groups) == [
        dict(params=[0, 2], lr=1),
        dict(params=[1, 4], lr=2),
        dict(params=[3], lr=3),
    ]


def test_a_checkpoint_with_a_group_for_every_tensor_resumes(tmp_path: Path) -> None:
    """As one that mmengine's constructor wrote; weights and rates are those of its own run."""
    apis.train(toy_config(tmp_path / 'old'), options={**OPTIONS, **MMENGINES})
    expected = read_checkpoint(tmp_path / 'old' / 'iter_10.pth')
    runner = apis.train(
        toy_config(tmp_path / 'new'), tmp_path / 'old' / 'iter_4.pth', options=OPTIONS
    )
    assert len(expected.content['optimizer']['param_groups']) == 4
    groups = runner.optim_wrapper.optimizer.param_groups
    assert [len(group['params']) for group in groups] == [1, 1, 2]
    found = read_checkpoint(tmp_path / 'new' / 'iter_10.pth')
    assert all(torch.equal(value, found.state[key]) for key, value in expected.state.items())
    (then,), (now,) = (c.content['param_schedulers'] for c in (expected, found))
    assert now['_last_value'] == [then['_last_value'][i] for i in (0, 1, 2, 4)]


def test_other_options_than_the_checkpoints(tmp_path: Path) -> None:
    apis.train(toy_config(tmp_path), options={**OPTIONS, **MMENGINES})
    options = {**OPTIONS, 'optim_wrapper.paramwise_cfg': dict(norm_decay_mult=0.0)}
    with pytest.raises(UsageError, match='has 4 groups of parameters, and that of the config 2'):
        apis.train(toy_config(tmp_path), tmp_path / 'iter_4.pth', options=options)
