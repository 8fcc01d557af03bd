"""What is measured of a candidate that is within its budget."""
from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from nasvit_mm.engine import (
    UsageError,
    check_architectures,
    check_data,
    seed_everything,
)
from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.spaces import Arch, Space, get_space
from nasvit_mm.supernet import calibrated, load_supernet, read_supernet_config


class SubnetEvaluator:
    """Base: figures of one architecture, the same in whatever order candidates come.

    Args:
        space: what is searched.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(self, arch: Arch) -> dict[str, float]:
        """Figures by name, finite."""
        raise NotImplementedError


@SUBNET_EVALUATORS.register_module()
class SupernetEvaluator(SubnetEvaluator):
    """The task's metric of the supernet's subnet, with batch norms recalibrated, no training.

    Metrics are named as the task names them (``accuracy/top1``, ``mIoU``).

    Args:
        config: of the supernet's training: its model, data and metric; None: the one that the
            checkpoint carries.
        checkpoint: its weights.
        split: of the config, ``<split>_dataloader`` and ``<split>_evaluator``: ``'held_out'`` where
            it names pictures that are held out of training, for the validation set is for the
            final figure, not for choosing.
        dataloader: changes of that data loader.
        calibration_dataloader: changes of ``train_dataloader``, whose first batches recalibrate.
        num_calibration: how many of them; 0 where the network has no batch norms.
        phase: of the weight sharing.
        seed: of the augmentation of those batches.
        cfg_options: changes of the config.
        cache: keep all batches in memory; pictures are then read once, and not for each candidate.

    Raises:
        UsageError: a file that is not there, a checkpoint of another model, a supernet that does
            not hold the searched space, a split that the config does not have.
    """

    def __init__(self, space: Space, config: str | None, checkpoint: str, split: str = 'val',
                 dataloader: Mapping | None = None, calibration_dataloader: Mapping | None = None,
                 num_calibration: int = 32, phase: int = 0, seed: int = 0,
                 cfg_options: Mapping | None = None, cache: bool = True) -> None:
        super().__init__(space)
        cfg = read_supernet_config(checkpoint, config)
        cfg.merge_from_dict(dict(cfg_options or {}))
        self.pictures, self.metric = f'{split}_dataloader', f'{split}_evaluator'
        for key in (self.pictures, self.metric):
            if cfg.get(key) is None:
                there = sorted(k.removesuffix('_dataloader') for k in cfg
                               if k.endswith('_dataloader'))
                raise UsageError(f'evaluator.split = {split!r}, but the config of the supernet has '
                                 f'no {key}; it has {", ".join(there)}')
        cfg.merge_from_dict({self.pictures: dict(dataloader or {}),
                             'train_dataloader': dict(calibration_dataloader or {})})
        cfg.launcher = 'none'
        for loader in (cfg[self.pictures], cfg.train_dataloader):
            loader.update(num_workers=0, persistent_workers=False)
        check_architectures(cfg)
        check_data(cfg, 'train', split)
        self.model = load_supernet(checkpoint, cfg)
        self._check_space()
        if torch.cuda.is_available():
            self.model.cuda()
        self.cfg, self.num_calibration, self.phase, self.seed = cfg, num_calibration, phase, seed
        self.cache, self._batches, self._meta = cache, {}, None

    def _check_space(self) -> None:
        theirs = self.model.backbone.space
        if theirs.name != self.space.name:
            raise UsageError(f'the supernet is of the space {theirs.name}, the search of '
                             f'{self.space.name}')
        for ours, field in zip(self.space.fields, theirs.fields):
            for label, wanted, having in zip(ours.labels, ours.choices, field.choices):
                if not set(wanted) <= set(having):
                    raise UsageError(f'the supernet has {label} of {", ".join(map(str, having))}, '
                                     f'the search asks for {", ".join(map(str, wanted))}: restrict '
                                     'the searched space')

    def _loader(self, key: str, number: int | None = None) -> Sequence[Any] | Any:
        if key in self._batches:
            return self._batches[key]
        loader = Runner.build_dataloader(self.cfg[key], seed=self.seed)
        self._meta = getattr(loader.dataset, 'metainfo', None)
        batches = islice(loader, number)
        if self.cache:
            batches = self._batches[key] = list(batches)
        return batches

    def __call__(self, arch: Arch) -> dict[str, float]:
        return self.measure(self.subnet(arch))

    def subnet(self, arch: Arch) -> nn.Module:
        """The task model of one architecture, recalibrated; the same whenever it is asked for."""
        batches = None
        if self.num_calibration:
            batches = self._loader('train_dataloader', self.num_calibration)
        seed_everything(self.seed)  # mixup
        return calibrated(self.model, arch, batches, self.phase)

    @torch.no_grad()
    def measure(self, model: nn.Module) -> dict[str, float]:
        """Figures of any model of the task on the pictures of the search."""
        batches, metrics = self._loader(self.pictures), self.cfg[self.metric]
        evaluator, number = Evaluator(metrics if isinstance(metrics, list) else [metrics]), 0
        evaluator.dataset_meta = self._meta
        for batch in batches:
            outputs = model.val_step(batch)
            number += len(outputs)
            evaluator.process(data_samples=outputs, data_batch=batch)
        with _quiet():
            return {k: float(v) for k, v in evaluator.evaluate(number).items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tables of classes that a metric prints and logs for every candidate."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


@lru_cache(maxsize=2)
def _evaluator(cfg: str) -> SubnetEvaluator:
    options = json.loads(cfg)
    for module in options.pop('imports', ()):
        import_module(module)
    return build_evaluator(options, get_space(options.pop('space')))


def build_evaluator(cfg: Mapping[str, Any], space: Space) -> SubnetEvaluator:
    """``dict(type=name, ...)`` to an evaluator of a space.

    Raises:
        UsageError: an unknown type or argument.
    """
    options = dict(cfg)
    name = options.pop('type', None)
    kind = SUBNET_EVALUATORS.get(str(name).removeprefix('nasvit_mm.'))
    if kind is None:
        raise UsageError(f'evaluator type = {name!r}, allowed: '
                         f'{", ".join(sorted(SUBNET_EVALUATORS.module_dict))}; custom_imports '
                         'names the module of one of your own')
    try:
        return kind(space, **options)
    except TypeError as error:
        raise UsageError(f'evaluator {name}: {error}') from error


def evaluate(cfg: str, arch: Mapping[str, Any]) -> dict[str, float]:
    """Figures of an architecture, in whatever process: the evaluator is built once in each.

    Args:
        cfg: JSON of ``dict(type=, space=, imports=[modules], ...)``.
        arch: ``Arch.to_dict()``.
    """
    evaluator = _evaluator(cfg)
    return evaluator(evaluator.space.arch(arch))
