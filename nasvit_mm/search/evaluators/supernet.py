"""The task's own metric of a supernet's subnets."""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from nasvit_mm.building import building
from nasvit_mm.checkpoints import check_checkpoint_exists
from nasvit_mm.compat import keep_freed_memory
from nasvit_mm.config import check_architectures, plain_types
from nasvit_mm.data import check_data, seed_everything
from nasvit_mm.dense import inner_model, look_at_data
from nasvit_mm.errors import UsageError, check_number, unknown
from nasvit_mm.files import sha256
from nasvit_mm.nn import batch_norms
from nasvit_mm.registry import SUBNET_EVALUATORS
from nasvit_mm.runtime import check_overrides, evaluate_metrics
from nasvit_mm.search.evaluators.base import SubnetEvaluator
from nasvit_mm.search.evaluators.data_files import data_digest
from nasvit_mm.search.evaluators.seen import (
    IMAGES,
    check_metrics,
    judge_by_seen,
    larger_batch,
    share_of,
)
from nasvit_mm.spaces import Arch, Space
from nasvit_mm.supernet import (
    calibrated,
    check_phase,
    load_supernet,
    over_phases,
    read_supernet_config,
)

REMEMBERED = 1024  # subnets whose batch norms are kept after a look, some 100 kB each
DTYPES = (None, 'bfloat16', 'float16')
IN_THIS_PROCESS = dict(num_workers=0, persistent_workers=False)  # data loaders are
SHARE = 'evaluator.share'
CHANGES = ('dataloader', 'calibration_dataloader', 'cfg_options')  # options that change the config


@SUBNET_EVALUATORS.register_module()
class SupernetEvaluator(SubnetEvaluator):
    """The task's metric of the supernet's subnet, with batch norms recalibrated, no training.

    Metrics are named as the task names them (``accuracy/top1``, ``mIoU``).

    Args:
        config: of the supernet's training: its model, data and metric; None: the one that the
            checkpoint carries.
        checkpoint: its weights.
        split: of the config, ``<split>_dataloader`` and ``<split>_evaluator``; None:
            ``'held_out'`` where it names images that are held out of training, for the
            validation set is for the final metric, not for choosing; else ``'val'``.
        dataloader: changes of that data loader, such as ``dict(batch_size=16)``: images of one
            size take less time together.
        calibration_dataloader: changes of ``train_dataloader``, whose first batches recalibrate.
        num_calibration: how many of them; 0 where the network has no batch norms.
        phase: of the weight sharing; None: all, and their mean, as in validation.  A subnet that
            is exported has one.
        seed: of the augmentation of those batches.
        cfg_options: changes of the config.
        dtype: ``'bfloat16'`` or ``'float16'``: compute in it where autocast does, norms and losses
            in float32; None: all in float32.  ``nasvit-mm search --advise`` says whether the order
            of candidates stays, and what is saved.
        cache: keep all batches in memory; images are then read once, and not for each candidate.
            Those of a look are kept beside them.  Else only those that recalibrate a candidate, as
            long as they do.  (Of a classifier at 224 pixels 1,000 images are 0.6 GB, in every
            process.)
        share: of the images by which every candidate is judged, taken evenly from all.

    Raises:
        UsageError: a file that is not there, a checkpoint of another model, a supernet that does
            not hold the searched space, a split or phase that there is not.
    """

    neutral: ClassVar[Collection[str]] = ('cache',)
    shares: ClassVar[bool] = True
    takes_share: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        config: str | None,
        checkpoint: str,
        split: str | None = None,
        dataloader: Mapping | None = None,
        calibration_dataloader: Mapping | None = None,
        num_calibration: int = 32,
        phase: int | None = 0,
        seed: int = 0,
        cfg_options: Mapping | None = None,
        dtype: str | None = None,
        cache: bool = True,
        share: float = 1.0,
    ) -> None:
        super().__init__(space)
        if dtype not in DTYPES:
            raise UsageError(unknown('evaluator.dtype', dtype, map(repr, DTYPES)))
        self.dtype = dtype
        self.num_calibration = check_number(
            'evaluator.num_calibration', num_calibration, low=0, whole=True
        )
        self.seed = check_number('evaluator.seed', seed, low=0, whole=True)
        cfg, split = _supernet_config(
            checkpoint, config, split, dataloader, calibration_dataloader, cfg_options
        )
        self.split, self.dataloader = split, dict(dataloader or {})
        self.share = check_number(SHARE, share, above=0, high=1)
        check_architectures(cfg)
        check_data(cfg, 'train', split)
        self.model = load_supernet(checkpoint, cfg)
        self._check_space()
        if phase is not None:
            check_phase(self.model.backbone, phase)
        if torch.cuda.is_available():
            self.model.cuda()
        else:
            keep_freed_memory()
        self.phases = range(self.model.backbone.phases) if phase is None else (phase,)
        self.cfg, self.cache = cfg, cache
        self._batches: dict[tuple[Any, ...], list[Any]] = {}  # of a loader, and of shares of it
        self._loaders: dict[str, tuple[DataLoader, list[list[int]]]] = {}
        self._looked_at: dict[tuple[Arch, int], list[dict[str, torch.Tensor]]] = {}
        self.calibration_batches = 0  # of the last subnet: at most num_calibration
        if share < 1:
            check_metrics(cfg[f'{split}_evaluator'], cfg.get('default_scope'))
            share_of(self._loader(f'{split}_dataloader')[1], share, SHARE)

    @classmethod
    def describe(
        cls, checkpoint: str, config: str | None = None, split: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return weights, config and data by their content; say so where they are not on this
        machine.

        Data are told by :func:`data_digest`, so that their root may move.
        """
        changes = {k: v for k, v in options.items() if k in CHANGES}
        try:
            cfg, split = _supernet_config(checkpoint, config, split, **changes)
            check_checkpoint_exists(checkpoint)
            weights = checkpoint if '://' in checkpoint else sha256(checkpoint)
        except (UsageError, OSError) as error:
            return dict(missing=str(error))
        parts = {
            key: plain_types(cfg[key])
            for key in (f'{split}_dataloader', f'{split}_evaluator', 'train_dataloader')
        }
        digests = {key: data_digest(part) for key, part in parts.items() if 'dataset' in part}
        data = {key: known for key, known in digests.items() if known}
        return dict(
            checkpoint=weights,
            model=plain_types(inner_model(cfg)),
            default_scope=cfg.get('default_scope'),
            **parts,
            **({'data': data} if data else {}),
        )

    def cheaper(self) -> Iterator[dict[str, Any]]:
        """Yield fewer batches for batch norms, by powers of two, bfloat16, and more images at once
        where they are of one size.
        """
        yield from self.fewer_batches()
        if self.dtype is None:
            yield dict(dtype='bfloat16')
        number = larger_batch(self._load(f'{self.split}_dataloader'))
        if number is not None:
            yield dict(dataloader=dict(self.dataloader, batch_size=number))

    def fewer_batches(self) -> Iterator[dict[str, Any]]:
        """Yield fewer batches for batch norms, by powers of two; none of a network without any."""
        number = 1
        while batch_norms(self.model) and number < self.num_calibration:
            yield dict(num_calibration=number)
            number *= 2

    def with_options(self, **changes: Any) -> SupernetEvaluator:
        """See the base; the copy shares the weights and the images of the search, which neither
        changes.
        """
        other = super().with_options(**changes)
        judged = f'{self.split}_dataloader'
        other._batches = {k: v for k, v in self._batches.items() if k[0] == judged}
        other._loaders = {k: v for k, v in self._loaders.items() if k == judged}
        other._looked_at = {}
        if 'dataloader' in changes:
            other.cfg = deepcopy(self.cfg)
            other.cfg.merge_from_dict({judged: changes['dataloader']})
            other.cfg[judged].update(IN_THIS_PROCESS)
            other._batches, other._loaders = {}, {}
        return other

    @classmethod
    def check_images(
        cls,
        folder: str | Path,
        checkpoint: str,
        config: str | None = None,
        split: str | None = None,
        **options: Any,
    ) -> None:
        """See the base; the images are those that judge and those that calibrate."""
        changes = {k: v for k, v in options.items() if k in CHANGES}
        try:
            cfg, split = _supernet_config(checkpoint, config, split, **changes)
            check_data(cfg, 'train', split)
        except (UsageError, OSError):
            return  # not on this machine, or said where it is read; a whole archive needs nothing
        look_at_data(cfg, {'train': 'train', 'val': split}, folder)

    @classmethod
    def check_shares(
        cls, checkpoint: str, config: str | None = None, split: str | None = None, **options: Any
    ) -> None:
        """See the base; every metric of the split has to judge by what it is given."""
        changes = {k: v for k, v in options.items() if k in CHANGES}
        try:
            cfg, split = _supernet_config(checkpoint, config, split, **changes)
        except (UsageError, OSError):
            return  # not on this machine, or said where it is read
        check_metrics(cfg[f'{split}_evaluator'], cfg.get('default_scope'))

    def _check_space(self) -> None:
        theirs = self.model.backbone.space
        if theirs.name != self.space.name:
            raise UsageError(
                f'the supernet is of the space {theirs.name}, the search of {self.space.name}'
            )
        for ours in self.space.fields:
            if not theirs.has(ours.name):
                raise UsageError(
                    f'the search has the gene {ours.name}, which the supernet was trained without: '
                    f"leave it out of the search's space.task, or give it to the space of the "
                    'supernet and train that'
                )
            field = theirs.field(ours.name)
            for label, wanted, having in zip(ours.labels, ours.choices, field.choices):
                if not set(wanted) <= set(having):
                    raise UsageError(
                        f'the supernet has {label} of {", ".join(map(str, having))}, '
                        f'the search asks for {", ".join(map(str, wanted))}: restrict '
                        'the searched space'
                    )

    def _load(self, key: str, limit: int | None = None, share: float = 1.0) -> Iterable[Any]:
        """Return the batches of a data loader: the same images, augmented in the same way, whenever
        they are asked for.

        Args:
            limit: batches at most, the first ones.
            share: of the images, see :func:`share_of`; of those that judge, of the share that
                judges all candidates.
        """
        of_all = self.share if key == f'{self.split}_dataloader' else 1.0
        known = (key, of_all, share)
        if known in self._batches:
            return self._batches[known]
        loader, places = self._loader(key, limit)
        if of_all < 1:
            places = share_of(places, of_all, SHARE)
        if share < 1:
            places = share_of(places, share)
        seed_everything(self.seed)  # augmentation that no SeedTransforms seeds
        batches = (loader.collate_fn([loader.dataset[i] for i in some]) for some in places)
        if self.cache:
            batches = self._batches[known] = list(batches)
        return batches

    def _loader(self, key: str, limit: int | None = None) -> tuple[DataLoader, list[list[int]]]:
        """Return a data loader, and the images of each of its batches, the first ones."""
        if key not in self._loaders:
            seed_everything(self.seed)
            loader = Runner.build_dataloader(self.cfg[key], seed=self.seed)
            self._loaders[key] = loader, list(islice(iter(loader.batch_sampler), limit))
        return self._loaders[key]

    @property
    def judging(self) -> str:
        """Return in words which images judge."""
        images = f'the {self.split} images'
        return images if self.share == 1 else f'{self.share:g} of {images}'

    def __call__(self, arch: Arch) -> dict[str, float]:
        return self.look(arch, 1.0)

    def look(self, arch: Arch, share: float) -> dict[str, float]:
        """See the base; how many images it was is told as ``<split>/images``.

        The statistics of batch norms are kept for the look at more images that may follow in this
        process; another process recalibrates anew, to the same.
        """
        if share < 1:
            check_metrics(self.cfg[f'{self.split}_evaluator'], self.cfg.get('default_scope'))
        found = {}
        for phase in self.phases:
            model = self.subnet(arch, phase)
            if share < 1:
                self._remember(arch, phase, model)
            found[phase] = self.measure(model, share)
        return over_phases(found)

    def _remember(self, arch: Arch, phase: int, model: nn.Module) -> None:
        while len(self._looked_at) >= REMEMBERED:
            del self._looked_at[next(iter(self._looked_at))]
        self._looked_at[arch, phase] = [
            {name: value.clone() for name, value in norm.named_buffers()}
            for norm in batch_norms(model)
        ]

    def subnet(self, arch: Arch, phase: int | None = None) -> nn.Module:
        """Return the task model of one architecture, recalibrated; always the same.

        Args:
            phase: None: the first of those that are judged.
        """
        phase = self.phases[0] if phase is None else phase
        if known := self._looked_at.get((arch, phase)):
            model = calibrated(self.model, arch, None, phase)
            for norm, state in zip(batch_norms(model), known, strict=True):
                norm.load_state_dict(state, strict=False)
            return model
        batches = None
        if self.num_calibration:
            batches = list(self._load('train_dataloader', self.num_calibration))
            self.calibration_batches = len(batches)
        seed_everything(self.seed)  # mixup
        with self._autocast():
            return calibrated(self.model, arch, batches, phase)

    def _autocast(self) -> AbstractContextManager:
        if self.dtype is None:
            return nullcontext()
        device = next(self.model.parameters()).device.type
        return torch.autocast(device, getattr(torch, self.dtype))

    @torch.no_grad()
    def measure(self, model: nn.Module, share: float = 1.0) -> dict[str, float]:
        """Return the metrics of any model of the task on the images of the search, or on a share of
        them; these images alone count, whatever else an annotation file has.
        """
        key = f'{self.split}_dataloader'
        batches, metrics = self._load(key, share=share), self.cfg[f'{self.split}_evaluator']
        evaluator = Evaluator(metrics if isinstance(metrics, list) else [metrics])
        evaluator.dataset_meta = getattr(self._loaders[key][0].dataset, 'metainfo', None)
        images = 0
        for batch in batches:
            with self._autocast():
                outputs = model.val_step(batch)
            images += len(outputs)
            evaluator.process(data_samples=outputs, data_batch=batch)
        judge_by_seen(evaluator.metrics)
        with _quiet():
            found = evaluate_metrics(evaluator, images)
        return found | ({f'{self.split}/{IMAGES}': images} if share < 1 else {})


def _supernet_config(
    checkpoint: str,
    config: str | None = None,
    split: str | None = None,
    dataloader: Mapping | None = None,
    calibration_dataloader: Mapping | None = None,
    cfg_options: Mapping | None = None,
) -> tuple[Config, str]:
    """Return the config of a supernet's training with the changes of :class:`SupernetEvaluator`,
    and the split that it takes.
    """
    changes = dict(
        dataloader=dataloader,
        calibration_dataloader=calibration_dataloader,
        cfg_options=cfg_options,
    )
    for name, change in changes.items():
        if change is not None and not isinstance(change, Mapping):
            raise UsageError(f'evaluator.{name} = {change!r}, expected dict(...)')
    cfg = read_supernet_config(checkpoint, config)
    with building(cfg, 'evaluator.cfg_options.'):
        check_overrides(cfg, cfg_options or {}, 'evaluator.cfg_options')
        cfg.merge_from_dict(dict(cfg_options or {}))
    if split is None:
        split = 'held_out' if cfg.get('held_out_dataloader') else 'val'
    images = f'{split}_dataloader'
    for key in (images, f'{split}_evaluator'):
        if cfg.get(key) is None:
            there = sorted(k.removesuffix('_dataloader') for k in cfg if k.endswith('_dataloader'))
            raise UsageError(
                f'evaluator.split = {split!r}, but the config of the supernet has '
                f'no {key}; it has {", ".join(there)}'
            )
    cfg.merge_from_dict(
        {images: dict(dataloader or {}), 'train_dataloader': dict(calibration_dataloader or {})}
    )
    cfg.launcher = 'none'
    for loader in (cfg[images], cfg.train_dataloader):
        loader.update(IN_THIS_PROCESS)
    return cfg, split


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the tables of classes that a metric prints and logs for every candidate."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
