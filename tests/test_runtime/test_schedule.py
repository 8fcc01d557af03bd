"""A schedule fits the length of training, or is refused with a remedy that trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper  # noqa: F401 (registers)
from mmengine.registry import PARAM_SCHEDULERS

from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import check_schedule, fit_schedule, read_config, run_length
from tests.commands import ROOT

RATE = 0.01
CAMVID = ROOT / 'configs/seg/nasvit_camvid.py'
ITERS = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, begin=100, by_epoch=False),
]
ENDED = [ITERS[0], dict(ITERS[1], end=2000)]
STEPS = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1, by_epoch=True, begin=0, end=12),
]
COSINE = [
    ITERS[0],
    dict(type='CosineAnnealingLR', by_epoch=True, end=16, T_max=16, convert_to_iter_based=True),
]


def config(schedulers: Any, **train_cfg: Any) -> Config:
    return Config(dict(param_scheduler=[dict(s) for s in schedulers], train_cfg=train_cfg))


def rates(cfg: Config, epoch_length: int = 10) -> list[float]:
    """The learning rate of every iteration, as mmengine's runner and hook make it."""
    key, length = run_length(cfg)
    by_epochs = key == 'max_epochs'
    total = length * epoch_length if by_epochs else length
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    built = []
    for one in cfg.param_scheduler:
        one = dict(one)
        if one.get('by_epoch', True):
            one.setdefault('end', length)
        else:
            one.setdefault('end', total)
        more = dict(optimizer=optimizer, epoch_length=epoch_length)
        built.append(PARAM_SCHEDULERS.build(one, default_args=more))
    out = []
    for i in range(total):
        out.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in built:
            if not scheduler.by_epoch or (by_epochs and (i + 1) % epoch_length == 0):
                scheduler.step()
    return out


@pytest.mark.parametrize(
    ('schedulers', 'train_cfg', 'said'),
    [
        (ITERS, dict(max_iters=30), r'\.0 \(LinearLR\) ends at 100, .* 30 iterations'),
        (ENDED, dict(max_iters=500), r'param_scheduler\.1 \(PolyLR\) ends at 2000'),
        (ENDED, dict(max_iters=4000), r'ends at 2000 already'),
        (STEPS, dict(max_epochs=10), r'param_scheduler\.1 \(MultiStepLR\) ends at 12'),
        (STEPS, dict(max_epochs=20), r'ends at 12 already, but the run is of 20 epochs'),
        (COSINE, dict(max_epochs=20), r'ends at 16 already'),
        (STEPS[1:], dict(max_iters=30), r'counts epochs'),
        (
            [dict(ITERS[0], end=1), dict(ITERS[1], begin=1)],
            dict(max_iters=30),
            'before it has left its start_factor',
        ),
        ([dict(STEPS[1], milestones=[8, 12])], dict(max_epochs=12), 'milestone at 12'),
        (ITERS, dict(max_iters=0), r'train_cfg\.max_iters = 0'),
        (ITERS, dict(max_iters=float('nan')), r'train_cfg\.max_iters = nan'),
        (ITERS, dict(max_iters=1.5), r'train_cfg\.max_iters = 1\.5'),
        ([5], dict(max_iters=10), r'param_scheduler\.0 = 5'),
    ],
)
def test_what_does_not_fit_is_refused(schedulers: Any, train_cfg: dict, said: str) -> None:
    cfg = Config(dict(param_scheduler=schedulers, train_cfg=train_cfg))
    with pytest.raises(UsageError, match=said) as caught:
        check_schedule(cfg)
    if 'the run is of' in str(caught.value):
        assert '--fit-schedule' in str(caught.value)


def test_a_warm_up_by_iterations_in_a_run_by_epochs() -> None:
    cfg = config(STEPS, max_epochs=12)
    check_schedule(cfg)  # nobody knows yet
    check_schedule(cfg, epoch_length=100)
    with pytest.raises(UsageError, match=r'LinearLR\) ends at 500, .* 120 iterations'):
        check_schedule(cfg, epoch_length=10)


@pytest.mark.parametrize(
    ('schedulers', 'train_cfg'),
    [(s, dict(max_iters=n)) for s in (ITERS, ENDED) for n in (1, 2, 3, 10, 30, 500, 8000)]
    + [(s, dict(max_epochs=n)) for s in (STEPS, COSINE) for n in (1, 2, 6, 20)],
)
def test_the_remedy_trains_at_the_rate_of_the_config(schedulers: Any, train_cfg: dict) -> None:
    cfg = config(schedulers, **train_cfg)
    fit_schedule(cfg, epoch_length=10)
    check_schedule(cfg, epoch_length=10)
    found = rates(cfg)
    assert max(found) == pytest.approx(RATE, rel=0.03)  # a cosine falls during the warm-up
    assert found.index(max(found)) <= max(2, len(found) // 5), 'a sane share of warm-up'
    if len(found) >= 500:
        assert found[-1] < RATE / 50, 'it ends as the whole schedule does'


def test_the_share_of_the_warm_up_is_kept() -> None:
    """What the file says of the length counts, where the schedulers name no end."""
    cfg = read_config(CAMVID, {'train_cfg.max_iters': 500}, fit=True)  # of 2,000
    assert cfg.param_scheduler[0].end == cfg.param_scheduler[1].begin == 25
    assert rates(cfg)[25] == pytest.approx(RATE)


def test_milestones_after_an_end_that_was_overridden() -> None:
    cfg = read_config(
        ROOT / 'configs/det/nasvit_coco_mask.py',
        {'train_cfg.max_epochs': 6, 'param_scheduler.1.end': 6},
        fit=True,
    )
    check_schedule(cfg)
    assert cfg.param_scheduler[1].milestones == [4]  # 8 and 11 of 12; 5.5 is the end


def test_what_fits_is_left_alone() -> None:
    for schedulers, train_cfg in ((ITERS, dict(max_iters=2000)), (STEPS, dict(max_epochs=12))):
        cfg = config(schedulers, **train_cfg)
        fit_schedule(cfg, epoch_length=1000)
        assert cfg.param_scheduler == schedulers


SWITCH = dict(type='mmdet.PipelineSwitchHook', switch_epoch=280, switch_pipeline=[])


def waiting(hook: dict, **train_cfg: Any) -> Config:
    return Config(dict(custom_hooks=[dict(hook)], train_cfg=train_cfg))


@pytest.mark.parametrize(
    ('hook', 'train_cfg', 'said'),
    [
        (SWITCH, dict(max_epochs=280), r'\.0\.switch_epoch = 280 .* 280 epochs: set it to 279 at'),
        (SWITCH, dict(max_iters=900), r'switch_epoch = 280 .*counts epochs'),
        (dict(SWITCH, switch_epoch='x'), dict(max_epochs=9), r"switch_epoch = 'x'"),
        (dict(type='YOLOXModeSwitchHook'), dict(max_epochs=10), r'num_last_epochs = 15 .* 10 epo'),
        (dict(type='EMAHook', begin_iter=90), dict(max_iters=80), r'begin_iter = 90 .* 80 iter'),
        (dict(type='IterTimerHook'), dict(max_epochs=3, val_begin=4), r'train_cfg\.val_begin = 4'),
    ],
)
def test_a_moment_that_never_comes_is_refused(hook: dict, train_cfg: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_schedule(waiting(hook, **train_cfg))


def test_a_moment_that_comes() -> None:
    check_schedule(waiting(SWITCH, max_epochs=281))
    check_schedule(waiting(dict(type='EMAHook', begin_iter=90), max_epochs=2))  # nobody knows yet
    check_schedule(waiting(dict(type='EMAHook'), max_iters=9))
    check_schedule(waiting(dict(SWITCH, switch_epoch=0), max_iters=9))


@pytest.mark.parametrize(
    ('length', 'given', 'switch'), [(100, {}, 93), (1, {}, 0), (100, {'switch_epoch': 90}, 90)]
)
def test_the_last_epochs_move_with_the_length(length: int, given: dict, switch: int) -> None:
    options = {'train_cfg.max_epochs': length}
    options |= {f'custom_hooks.0.{key}': value for key, value in given.items()}
    cfg = read_config(ROOT / 'configs/det/nasvit_rtmdet_coco.py', options, fit=True)
    check_schedule(cfg)
    assert cfg.custom_hooks[0].switch_epoch == switch
    assert cfg.train_cfg.dynamic_intervals == [(max(1, round(280 * length / 300)), 1)]


def test_the_moments_of_a_config_that_was_changed_before() -> None:
    """What its schedulers end at says what it was written for."""
    cfg = read_config(ROOT / 'configs/det/nasvit_rtmdet_coco.py')
    cfg.train_cfg.max_epochs = 30
    cfg = read_config(cfg, fit=True)
    check_schedule(cfg)
    assert cfg.custom_hooks[0].switch_epoch == 28


def test_the_first_epoch_of_the_projection_moves_too() -> None:
    path = ROOT / 'configs/supernet/nasvit_in1k_supernet.py'
    cfg = read_config(path, {'train_cfg.max_iters': 100 * 2502}, fit=True)  # of 400 epochs
    assert cfg.model.conflict.start_epoch == 25
