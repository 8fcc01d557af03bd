"""Validation of a supernet: some of its subnets, each with batch norm statistics of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.runner import Runner, ValLoop
from mmengine.runner.amp import autocast
from torch import nn

from nasvit_mm.config import plain_types
from nasvit_mm.data import seed_everything
from nasvit_mm.dense import bare_model, kind_of
from nasvit_mm.errors import ArchitectureError, UsageError, check_number, shown_value
from nasvit_mm.nn import batch_norms, recalibrate_bn
from nasvit_mm.registry import LOOPS
from nasvit_mm.runtime import evaluate_metrics, kept_randomness, share_buffers
from nasvit_mm.spaces import Arch


def calibrated(
    model: nn.Module, arch: Any, batches: Sequence[Any] | Iterator[Any] | None, phase: int = 0
) -> nn.Module:
    """Return the model of one subnet, its batch norms recalibrated; ready to evaluate.

    The statistics that a supernet has are a mixture of all subnets' and fit none of them.  It is a
    model of its own, with no more weights than the subnet has; the one that is given is left as it
    is, to the byte, whatever happens.

    Args:
        model: a model of any kind with an elastic backbone.
        arch: any form that ``Space.arch`` takes.
        batches: training batches, as the data loader gives them; not used without batch norms.
            None: keep the statistics there are.
    """
    kind = kind_of(model)
    out = kind.extract(model, arch, phase)
    out.eval()  # on a line of its own: LAD's returns None

    def forward(model: nn.Module, batch: Any) -> None:
        with heads_in_training(model):
            kind.forward(model, model.data_preprocessor(batch, True))

    if batches is not None and batch_norms(out):
        recalibrate_bn(out, batches, forward)
    share_buffers(out)
    return out


@contextmanager
def heads_in_training(model: nn.Module) -> Iterator[None]:
    """Have what computes a loss give the outputs that the loss takes: K-Net's head gives those of
    all stages, SOLO's masks of another size.  The parts inside, dropout too, stay as they are.
    """
    heads = [m for m in model.modules() if hasattr(m, 'loss') or hasattr(m, 'loss_by_feat')]
    before = [m.training for m in heads]
    try:
        for m in heads:
            m.training = True
        yield
    finally:
        for m, mode in zip(heads, before):
            m.training = mode


def check_phase(backbone: nn.Module, phase: int) -> None:
    """Check that a supernet shares its weights in such a phase.

    Raises:
        UsageError: names those that there are.
    """
    if phase not in range(backbone.phases):
        raise UsageError(
            f'phase = {phase!r} of the weight sharing, allowed: '
            f'{", ".join(map(str, range(backbone.phases)))}'
        )


def over_phases(found: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of all phases' metrics, beside each one's (``phase0/accuracy/top1``); of a
    single phase, its own.
    """
    first, *others = found.values()
    if not others:
        return dict(first)
    mean = {k: sum(f[k] for f in found.values()) / len(found) for k in first}
    return mean | {f'phase{phase}/{k}': v for phase, f in found.items() for k, v in f.items()}


def _seeded(batches: Iterator[Any], seed: int) -> Iterator[Any]:
    """Mixup is a function of the place: without workers reading an image seeds this process."""
    for place, batch in enumerate(batches):
        seed_everything(seed, place)
        yield batch


@LOOPS.register_module()
class SubnetValLoop(ValLoop):
    """Validate subnets of a :class:`nasvit_mm.supernet.Supernet`, one after another.

    Of a model with one architecture, that one (``'largest'``).

    Metrics are named ``smallest/accuracy/top1`` and the like.  Of weights that are shared in two
    phases they are the mean, beside ``smallest/phase0/accuracy/top1`` and ``phase1``'s.  A
    subnet's calibration is a function of the run's seed: not of the other subnets, of workers, nor
    of the training before.

    Args:
        subnets: names, or other forms that ``Space.arch`` takes; of the others than names the
            metrics are called ``subnet0`` and so on.
        num_random: validate so many random ones too, ``random0`` and so on, the same every time.
        num_calibration: training batches for batch norm statistics (the papers: 64); 0: those
            that the weights come with.
        calibration_dataloader: of those; None: the training loader, without its workers' memory.
        phase: of the weight sharing; None: all, and their mean.
        fp16: evaluate in mixed precision.
    """

    split = 'val'

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        evaluator: Evaluator | dict | list,
        subnets: Sequence[Any] = ('smallest', 'largest'),
        num_random: int = 0,
        num_calibration: int = 64,
        calibration_dataloader: dict | None = None,
        phase: int | None = None,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self.num_calibration, self.phase = num_calibration, phase
        for name, value in dict(num_calibration=num_calibration, num_random=num_random).items():
            check_number(f'{self.split}_cfg.{name}', value, low=0, whole=True)
        if not subnets and not num_random:
            raise UsageError(
                f'{self.split}_cfg.subnets = {shown_value(subnets)}: no subnet would be validated; '
                "name some ('smallest', 'largest'), or give num_random"
            )
        if phase is not None and phase not in self._phases:
            raise UsageError(
                f'{self.split}_cfg.phase = {phase!r}, allowed: '
                f'{", ".join(map(str, self._phases))}, or None'
            )
        cfg = copy.deepcopy(calibration_dataloader or runner.cfg.get('train_dataloader'))
        if num_calibration and cfg is None:
            raise UsageError(
                f'{type(self).__name__}: num_calibration = {num_calibration} training '
                'batches, and there is no train_dataloader: give '
                'calibration_dataloader'
            )
        if cfg is not None:
            cfg['persistent_workers'] = False
        self._calibration_cfg = cfg
        space = self._model.backbone.space
        try:
            self.subnets = {
                name if isinstance(name, str) else f'subnet{i}': space.arch(plain_types(name))
                for i, name in enumerate(subnets)
            }
        except ArchitectureError as error:
            raise UsageError(f'{self.split}_cfg.subnets: {error}') from error
        random = space.sample_usable(0, num_random)
        self.subnets |= {f'random{i}': arch for i, arch in enumerate(random)}

    @property
    def _model(self) -> nn.Module:
        return bare_model(self.runner.model)

    @property
    def _phases(self) -> range:
        """Return the phases of the weight sharing; a single architecture has one."""
        backbone = self._model.backbone
        return range(1 if backbone.space.is_single else backbone.phases)

    def run(self) -> dict[str, float]:
        """Validate all subnets; return their metrics together."""
        self.runner.call_hook(f'before_{self.split}')
        self.runner.call_hook(f'before_{self.split}_epoch')
        metrics: dict[str, float] = {}
        with kept_randomness():
            for name, arch in self.subnets.items():
                # Metrics print tables of classes, which do not say of what.
                print_log(f'{self.split}: what follows is of the subnet {name}', 'current')
                metrics.update({f'{name}/{k}': v for k, v in self._metrics(arch).items()})
        self.runner.call_hook(f'after_{self.split}_epoch', metrics=metrics)
        self.runner.call_hook(f'after_{self.split}')
        return metrics

    def _metrics(self, arch: Arch) -> dict[str, float]:
        """Measure one subnet: in its only phase, or the mean over the phases and each one's."""
        phases = self._phases if self.phase is None else (self.phase,)
        return over_phases({p: self._evaluate(self._calibrated(arch, p)) for p in phases})

    def _calibrated(self, arch: Arch, phase: int) -> nn.Module:
        batches, seed = None, self.runner.seed
        if self.num_calibration and batch_norms(self._model):
            seed_everything(seed)  # augmentation that no SeedTransforms seeds
            loader = self.runner.build_dataloader(self._calibration_cfg, seed=seed)
            self._calibration_cfg['dataset'] = loader.dataset  # read from the disk once
            batches = _seeded(islice(loader, self.num_calibration), seed)
        return calibrated(self._model, arch, batches, phase)

    @torch.no_grad()
    def _evaluate(self, model: nn.Module) -> dict[str, float]:
        for i, data in enumerate(self.dataloader):
            self.runner.call_hook(f'before_{self.split}_iter', batch_idx=i, data_batch=data)
            with autocast(enabled=self.fp16):
                outputs = model.val_step(data)
            self.evaluator.process(data_samples=outputs, data_batch=data)
            self.runner.call_hook(
                f'after_{self.split}_iter', batch_idx=i, data_batch=data, outputs=outputs
            )
        return evaluate_metrics(self.evaluator, len(self.dataloader.dataset))


@LOOPS.register_module()
class SubnetTestLoop(SubnetValLoop):
    """:class:`SubnetValLoop` as ``test_cfg``."""

    split = 'test'
