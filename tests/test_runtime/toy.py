"""A training of milliseconds: a model of a few weights, a data set of numbers, a metric to choose.

Its config names this file as its module, as a user's with a model of its own would.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn

from nasvit_mm.registry import DATASETS, METRICS, MODELS


@MODELS.register_module(force=True)
class ToyModel(BaseModel):
    """Learns to double a number.

    Args:
        scores: what the metric is after so many steps, the last one from then on; it has a digit of
            the weights behind it.
        nan_loss, nan_gradient: the step whose loss, or only its gradient, is NaN.
    """

    def __init__(
        self,
        scores: tuple = (1.0,),
        nan_loss: int = -1,
        nan_gradient: int = -1,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.layer = nn.Linear(1, 1)
        self.norm = nn.BatchNorm1d(1)
        self.scores, self.nan_loss, self.nan_gradient = scores, nan_loss, nan_gradient

    def forward(self, number: torch.Tensor, mode: str = 'tensor') -> Any:
        found = self.layer(self.norm(number[:, None].float()))[:, 0]
        if mode == 'predict':
            step = int(self.norm.num_batches_tracked)
            score = self.scores[min(step, len(self.scores)) - 1]
            return [dict(score=score + 1e-6 * float(found.abs().mean()))]
        loss = (found - 2 * number).square().mean()
        step = int(self.norm.num_batches_tracked)
        if step == self.nan_loss:
            loss = loss * float('nan')
        if step == self.nan_gradient:
            loss.register_hook(lambda gradient: gradient * float('nan'))
        return dict(loss=loss)


@DATASETS.register_module(force=True)
class ToyData(BaseDataset):
    METAINFO = dict(classes=('one', 'two'))

    def __init__(self, length: int = 8, **kwargs: Any) -> None:
        self.length = length
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        return [dict(number=i / self.length) for i in range(self.length)]

    def prepare_data(self, index: int) -> dict:
        return dict(number=self.get_data_info(index)['number'])


@METRICS.register_module(force=True)
class ToyMetric(BaseMetric):
    default_prefix = 'toy'

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += data_samples

    def compute_metrics(self, results: list) -> dict[str, float]:
        return dict(acc=float(results[0]['score']))


def toy_config(work_dir: Any) -> dict[str, Any]:
    """A config of ten steps, with a checkpoint and a validation every second one."""

    def loader(sampler: str, batch: int) -> dict[str, Any]:
        return dict(
            batch_size=batch,
            num_workers=0,
            dataset=dict(type='nasvit_mm.ToyData', serialize_data=False),
            sampler=dict(type=sampler, shuffle=False),
            collate_fn=dict(type='default_collate'),
        )

    return dict(
        model=dict(type='nasvit_mm.ToyModel'),
        train_dataloader=loader('nasvit_mm.SeededInfiniteSampler', 2),
        val_dataloader=loader('DefaultSampler', 8),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=10, val_interval=2),
        val_cfg=dict(type='ValLoop'),
        val_evaluator=dict(type='nasvit_mm.ToyMetric'),
        test_dataloader=loader('DefaultSampler', 8),
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(type='nasvit_mm.ToyMetric'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9)),
        param_scheduler=[dict(type='PolyLR', by_epoch=False, begin=0, end=10)],
        default_hooks=dict(
            checkpoint=dict(
                type='CheckpointHook',
                by_epoch=False,
                interval=2,
                max_keep_ckpts=1,
                save_best='toy/acc',
                rule='greater',
            ),
            logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
            seeding=dict(type='nasvit_mm.SeedIterations'),
        ),
        custom_imports=dict(imports=['tests.test_runtime.toy']),
        randomness=dict(seed=0),
        log_processor=dict(by_epoch=False),
        default_scope='mmengine',
        work_dir=str(work_dir),
        log_level='ERROR',
    )


@contextmanager
def quick_runs() -> Iterator[None]:
    """Leave out what takes most of so short a run: layout of dumped configs, names of compilers."""
    with (
        mock.patch('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True)),
        mock.patch('mmengine.runner.runner.collect_env', dict),
    ):
        yield
