"""``Supernet``: any mmengine model with an elastic backbone, trained by several subnets a step."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.dense import build_network, elastic_backbone, kind_of
from nasvit_mm.errors import UsageError, unknown
from nasvit_mm.nn import frozen_statistics
from nasvit_mm.registry import MODELS, SAMPLERS, registered
from nasvit_mm.runtime import SKIPPED, NonFiniteLoss
from nasvit_mm.supernet.batch import check_parts, copied, part_of, shared_out
from nasvit_mm.supernet.check import check_training
from nasvit_mm.supernet.conflict import Conflict, cosine
from nasvit_mm.supernet.distill import TEACHERS, Distillation, Teachers
from nasvit_mm.supernet.from_network import begin_with
from nasvit_mm.supernet.gradients import clip_by_weights, given, read_numbers, total_norm
from nasvit_mm.supernet.reduce import MeanGradients, mean_numbers, take_gradients
from nasvit_mm.supernet.samplers.base import LARGEST, Choice, SubnetSampler
from nasvit_mm.supernet.taught import Taught
from nasvit_mm.teacher import Learns

WATCHED, LITTLE = 100, 0.5  # steps over which clip_grad is watched, and what it should leave


@MODELS.register_module()
class Supernet(BaseModel):
    """Train the weights that all subnets of a model's backbone share.

    A step: the sampler names subnets; each runs forward and backward on the same batch, or on a
    part of it (`split_batch`); the largest one's gradients are kept apart, and combined with the
    sum of the others' by the conflict rule; one optimizer step.  Everything else (``forward``,
    validation, prediction) is the wrapped model's, with the architecture that is active.

    Args:
        model: config of a model with an elastic backbone built for a space.
        sampler: ``dict(type=name out of SAMPLERS, ...)``; without a ``seed`` of its own it draws by
            the run's (``randomness.seed``).
        conflict: of :class:`Conflict`: rule, scope, start_epoch.
        distill: of :class:`Distillation`: largest, sampled, smallest, temperature.
        teachers: names of timm models, or name -> local weights; None switches them off: whoever
            would learn from them learns from labels.
        teacher_weights: local files of their weights, in the same order; None: timm downloads them.
        teacher: of :class:`nasvit_mm.teacher.Teacher`: config and checkpoint of a dense model, and
            what is learnt from it; beside it ``subnets``, the roles that do, of the sampler's
            (None: all).  Its losses are added to what `distill` says.
        clip_grad: largest L2 norm of the subnets' summed gradient (NASViT: 1.0).  The largest
            network's own gradient is not clipped, but in steps that have no other subnet, as in the
            first part of ``shrinking``; None: no limit.  It is for subnets that learn from the
            largest one alone.  Gradients of labels and of a teacher are longer, and what is cut off
            them the subnets do not learn: limit the whole gradient there, by ``clip_grad`` of the
            optimizer wrapper, as a network alone does.
        agc: factor of adaptive gradient clipping of the combined gradient (ElasticViT: 0.1).
        rank_draws: every process draws subnets of its own; else all draw the same.
        log_cosine: every so many steps the cosine of the two gradients is computed, and logged
            where the step has a line in the log; 0: never.
        split_batch: the largest subnet sees the whole batch, and the others of the step part it
            among themselves; each learns from what the largest one, or a teacher, answered for its
            own images.  A step takes less time, and batch norms and gradients of those subnets are
            of fewer images (docs/guides/supernets.md says what that gave).  For samplers whose
            steps begin with the largest subnet.
        data_preprocessor: of the model, where its own config has none.
        init: a network to begin with, which is laid into the supernet: a name, a checkpoint or the
            folder of an export, or ``dict(network=, arch=, phase=, order=, share=)``; see
            :func:`nasvit_mm.supernet.make_supernet`.

    Raises:
        UsageError: a model without an elastic backbone, or none of mmengine; an unknown sampler,
            rule or source of targets, ones that do not go together, or a teacher that cannot be
            had; a number out of its range.
    """

    wrapper = 'nasvit_mm.SupernetParallel'  # in several processes
    hooks = ('nasvit_mm.SupernetState',)

    def __init__(
        self,
        model: Mapping,
        sampler: Mapping,
        conflict: Mapping | None = None,
        distill: Mapping | None = None,
        teachers: Sequence[str] | Mapping[str, str] | None = (),
        teacher_weights: Sequence[str] | None = None,
        teacher: Mapping[str, Any] | None = None,
        clip_grad: float | None = None,
        agc: float | None = None,
        rank_draws: bool = False,
        log_cosine: int = 50,
        split_batch: bool = False,
        data_preprocessor: Mapping | None = None,
        init_cfg: Mapping | None = None,
        init: str | Mapping | None = None,
    ) -> None:
        if data_preprocessor is not None:
            model = {'data_preprocessor': data_preprocessor, **model}
        built = build_network(model)
        super().__init__(None, init_cfg)
        if isinstance(built, Learns):
            raise UsageError(
                'the model in a supernet has a teacher of its own: name it in the supernet, '
                'model.teacher, for all subnets at once'
            )
        self.model, self.kind = built, kind_of(built)
        self.data_preprocessor = built.data_preprocessor
        backbone = elastic_backbone(built)
        try:
            self.sampler = self._build_sampler(dict(sampler), backbone, rank_draws)
            self._has_seed = 'seed' in sampler
            self._explained = self._checked = self._warned = False
            self._kept: list[float] = []  # by clip_grad, of the subnets' gradients
            self._skipped = 0  # steps in a row, by the scaler of mixed precision
            self.conflict = Conflict(**(conflict or {}))
            self.distill = Distillation(**(distill or {}))
            if self.distill.needs_teachers and teachers is None:
                print_log('no external teachers: labels in their place', logger='current')
                self.distill.learn_from_labels(TEACHERS)
            if self.distill.needs_teachers and not teachers:
                raise ValueError(
                    "distill learns from 'teachers', and none are named; "
                    'teachers=None puts labels in their place'
                )
            self.distill.check(self.sampler.roles, self.kind, built)
            _check_numbers(clip_grad, agc, log_cosine)
            if split_batch and self.sampler.roles[0] != LARGEST:
                raise ValueError(
                    'split_batch=True is for samplers whose steps begin with the largest subnet '
                    f'(sandwich, shrinking over it); those of {type(self.sampler).__name__} are '
                    f'{", ".join(self.sampler.roles)}'
                )
            # In a list: a module of its own would go into checkpoints and averages.
            self._teachers = []
            if self.distill.needs_teachers:
                self._teachers = [Teachers(teachers, teacher_weights, built.num_classes)]
            self.taught = None
            if teacher is not None:
                self.taught = Taught(built, teacher, self.sampler.roles)
        except (ValueError, TypeError, FileNotFoundError) as error:
            raise UsageError(f'the supernet cannot be built: {error}') from error
        if rank_draws:
            self._check_rank_draws()
        self.clip_grad, self.agc = clip_grad, agc
        self.rank_draws, self.log_cosine = rank_draws, log_cosine
        self.split_batch = split_batch
        self.init = init
        self.step, self.steps_per_epoch = 0, 1 << 62  # told by SupernetState
        self.dump_dir: Path | None = None

    def init_weights(self) -> None:
        """Initialise as mmengine does, then lay in the network to begin with."""
        begun = self._is_init
        super().init_weights()
        if self.init is not None and not begun:
            begin_with(self.model, self.init)

    @staticmethod
    def _build_sampler(cfg: dict, backbone: ElasticBackbone, rank_draws: bool) -> SubnetSampler:
        name = cfg.pop('type', None)
        kind = registered(SAMPLERS, name)
        if kind is None:
            raise ValueError(unknown('sampler type', name, SAMPLERS.module_dict))
        cfg.setdefault('phases', backbone.phases)
        cfg['seed'] = _of_rank(cfg.get('seed', 0), rank_draws)
        return kind(backbone.space, **cfg)

    def seed_draws(self, seed: int) -> None:
        """Draw subnets by the run's seed, where the sampler's config has none of its own."""
        if not self._has_seed:
            self.sampler.seed = _of_rank(seed, self.rank_draws)

    def _check_rank_draws(self) -> None:
        """Refuse what processes do together, which fails where each runs a subnet of its own."""
        if self.sampler.remembers:
            raise UsageError(
                f'rank_draws=True: the sampler {type(self.sampler).__name__} '
                'remembers levels or subnets, which all processes share'
            )
        synchronised = [
            name
            for name, m in self.model.named_modules()
            if isinstance(m, torch.nn.SyncBatchNorm) or getattr(m, 'sync', False)
        ]
        if synchronised:
            raise UsageError(
                f'rank_draws=True: {synchronised[0]} takes its statistics over all '
                "processes, whose subnets differ: norm_cfg=dict(type='BN')"
            )

    # ------------------------------------------------------------------ as the wrapped model
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get('mode') == 'loss':  # by mmengine's wrapper for several processes
            raise RuntimeError(
                'a supernet is trained by its train_step; in several processes give '
                f"model_wrapper_cfg=dict(type='{self.wrapper}')"
            )
        return self.model(*args, **kwargs)

    def val_step(self, data: Any) -> list:
        return self.model.val_step(data)

    def test_step(self, data: Any) -> list:
        return self.model.test_step(data)

    @property
    def detector(self) -> torch.nn.Module:
        """Return the wrapped model by the name under which mmdet's hooks, such as
        ``YOLOXModeSwitchHook``, look for a detector inside another model.
        """
        return self.model

    def set_arch(self, arch: Any, phase: int = 0) -> None:
        """Choose the active architecture."""
        self.model.backbone.set_arch(arch, phase)

    # ------------------------------------------------------------------ the step
    @staticmethod
    def check_optimizer(optim_wrapper: OptimWrapper) -> None:
        """Check that the optimizer wrapper leaves to the supernet what is the supernet's.

        Raises:
            UsageError: it accumulates over batches.
        """
        if getattr(optim_wrapper, '_accumulative_counts', 1) != 1:
            raise UsageError(
                'accumulative_counts of the optimizer wrapper must be 1: a step of a '
                'supernet sums over subnets'
            )

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, torch.Tensor]:
        """Train one step over a batch; return what is logged.

        Raises:
            UsageError: in the first step, see :func:`check_training`.
            NonFiniteLoss: a loss or a gradient is not finite.
        """
        self.check_optimizer(optim_wrapper)
        first = not self._checked
        if first:
            context = partial(optim_wrapper.optim_context, self)
            check_training(self.model, self.kind, self.distill, data, context, self.split_batch)
            self._checked = True
        self.step += 1
        before = self.model.backbone.arch, self.model.backbone.phase
        try:
            epoch = (self.step - 1) // self.steps_per_epoch
            return self._train_step(data, optim_wrapper, epoch, first)
        finally:
            self.set_arch(*before)

    def _train_step(
        self, data: Any, optim_wrapper: OptimWrapper, epoch: int, first: bool
    ) -> dict[str, torch.Tensor]:
        context = partial(optim_wrapper.optim_context, self)
        stale = self.sampler.stale(self.step, self.steps_per_epoch)
        for choice, score in zip(stale, self._scores(stale, data, context)):
            self.sampler.observe(choice, score)
        ready = self.model.data_preprocessor(data, True)
        teachers = self._teachers[0](self.kind.inputs(ready)) if self._teachers else None
        self.distill.begin(teachers)
        if self.taught:
            self.taught.begin(self.kind.inputs(ready))
        optim_wrapper.zero_grad()
        parameters = list(self.model.parameters())
        largest, taken, losses = None, [], []
        choices = self.sampler.draw(self.step, epoch)
        if self.split_batch:
            number = len(self.kind.inputs(ready))
            if first:
                check_parts(number, self.sampler.most() - 1)
            drawn = shared_out(choices, number)
        else:
            drawn = ((choice, None) for choice in choices)
        for choice, images in drawn:
            if largest is None and any(c.role == LARGEST for c in taken):
                largest = MeanGradients(take_gradients(parameters), parameters)
            self.set_arch(choice.arch, choice.phase)
            with context():
                objects = self.distill.objects(choice.role)
                seen = ready if images is None else part_of(ready, images)
                output = self.kind.forward_on(self.model, copied(seen), objects)
                loss = self.distill.loss(choice.role, output, images)
                if self.taught:
                    loss = loss + self.taught.loss(choice.role, output, images)
            optim_wrapper.backward(loss)
            taken.append(choice)
            losses.append(loss.detach())
            if choice.wants_score:
                self.sampler.observe(choice, *self._scores([choice], data, context))
        logged = self._combine(largest, taken, losses, data, epoch, optim_wrapper)
        optim_wrapper.step()
        optim_wrapper.zero_grad()
        return {name: torch.tensor(value) for name, value in logged.items()}

    def _combine(
        self,
        largest: MeanGradients | None,
        taken: Sequence[Choice],
        losses: Sequence[torch.Tensor],
        data: Any,
        epoch: int,
        optim_wrapper: OptimWrapper,
    ) -> dict[str, float]:
        """Write the step's gradient to the parameters, if all is finite; return what is logged.

        All numbers of the step are read at once: it waits for its device no more than that.

        Args:
            largest: gradients of the largest network where they are kept apart.
            taken: the step's subnets, the first of them is then the largest.
            losses: of each.

        Raises:
            NonFiniteLoss: a loss or a gradient is not finite.
        """
        parameters = list(self.model.parameters())
        means = [MeanGradients(take_gradients(parameters), parameters)]
        if largest is not None:
            means.append(largest)
        norms = [total_norm(mean.wait()) for mean in means]
        amp = isinstance(optim_wrapper, AmpOptimWrapper)
        if amp:  # the gradients are those of the scaled losses
            inverse = optim_wrapper.loss_scaler.scale(torch.ones_like(norms[0])).reciprocal()
            norms = [norm * inverse for norm in norms]
        more = self.taught.end() if self.taught else {}
        losses, norms, values, *reached = read_numbers(
            losses, norms, more.values(), *(mean.reached for mean in means)
        )
        more = dict(zip(more, values))
        subnets, *others = [mean.settle(shares) for mean, shares in zip(means, reached)]
        largest = others[0] if others else None
        for p, g in zip(parameters, subnets):
            p.grad = g
        for loss, choice in zip(losses, taken):
            self._check_finite(loss, choice, data)
        logged = self._logs(losses, taken) | more
        if self.clip_grad is not None:
            # The optimizer wrapper logs that of the whole gradient by this name, where it clips.
            whole = getattr(optim_wrapper, 'clip_grad_kwargs', None)
            logged['subnets_grad_norm' if whole else 'grad_norm'] = norms[0]
        if not self._gradients_are_finite(norms, taken, data, amp):
            # The scaler looks at the parameters' gradients only, and must skip this step.
            given(subnets)[0].fill_(float('nan'))
            return logged
        if amp:  # limits and projection depend on the gradients' size
            for mean in (subnets, *others):
                torch._foreach_mul_(given(mean), inverse)
        if self.clip_grad is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.clip_grad)
            if largest is not None:
                self._watch_limit(norms[0])
        if largest is not None:
            if self.log_cosine and self.step % self.log_cosine == 0:
                logged['cosine'] = cosine(subnets, largest)
            for p, g in zip(parameters, self.conflict(subnets, largest, epoch)):
                p.grad = g
        if self.agc is not None:
            clip_by_weights(parameters, self.agc)
        if amp:  # the wrapper's step expects them as they came
            torch._foreach_mul_(given([p.grad for p in parameters]), inverse.reciprocal())
        return logged

    def _watch_limit(self, norm: float) -> None:
        """Say once where the limit leaves the subnets little beside the largest network."""
        if self._warned:
            return
        self._kept.append(min(1.0, self.clip_grad / norm) if norm else 1.0)
        if len(self._kept) < WATCHED:
            return
        kept = sum(self._kept) / WATCHED
        self._kept.clear()
        if kept < LITTLE:
            self._warned = True
            print_log(
                f'model.clip_grad = {self.clip_grad:g} has left the subnets {kept:.2g} of their '
                f'gradient in the last {WATCHED} steps, and the largest network all of its own: '
                'they learn little. That limit is for subnets that learn from the largest network '
                'alone; the one of a network alone is of the whole gradient. In the config: '
                'clip_grad=None in the model, and optim_wrapper = dict(clip_grad=dict(max_norm='
                f'{self.clip_grad:g}))',
                logger='current',
                level=logging.WARNING,
            )

    def _logs(self, losses: Sequence[float], taken: Sequence[Choice]) -> dict[str, float]:
        """Return the sum of a step's losses, and the mean of those of each role.

        It says once, where the first loss below 0 is printed, that it is no mistake.
        """
        logs = {}
        for role in dict.fromkeys(choice.role for choice in taken):
            own = [loss for loss, choice in zip(losses, taken) if choice.role == role]
            logs[f'loss_{role}'] = sum(own) / len(own)
        below = [name for name, value in logs.items() if value < 0]
        if below and not self._explained:
            self._explained = True
            print_log(
                f'{below[0]} is below 0, as it may be: the adaptive alpha-divergence to a '
                'teacher (AlphaNet) is written so that its gradient is right, and its value means '
                'nothing. Follow loss_largest, and the metrics of the validation',
                logger='current',
            )
        return dict(logs, loss=sum(losses))

    @torch.no_grad()
    def _scores(
        self,
        choices: Sequence[Choice],
        data: Any,
        context: Callable[[], AbstractContextManager] = nullcontext,
    ) -> list[float]:
        """Return the quality of subnets on the clean batch, the mean over all processes.

        Args:
            context: makes the context of a forward, which sets the precision.

        Raises:
            NonFiniteLoss: one is not finite.
        """
        if not choices:
            return []
        clean, scores = self.kind.clean(self.model, data), []
        with frozen_statistics(self.model):
            for choice in choices:
                self.set_arch(choice.arch, choice.phase)
                with context():
                    scores.append(self.kind.score(self.model, copied(clean)))
        numbers = mean_numbers(scores)
        for number, choice in zip(numbers, choices):
            self._check_finite(number, choice, data, 'score')
        return numbers

    def _check_finite(self, value: float, choice: Choice, data: Any, what: str = 'loss') -> None:
        if math.isfinite(value):
            return
        where = self._dump(data, **_described(choice))
        raise NonFiniteLoss(
            f'the {what} is {value} in step {self.step}, of the '
            f'{choice.role} subnet {choice.arch.to_dict()}, phase {choice.phase}'
            f'{where}'
        )

    def _gradients_are_finite(
        self, norms: Sequence[float], taken: Sequence[Choice], data: Any, amp: bool
    ) -> bool:
        """Check the gradients before the step, for after it the weights are lost.

        Args:
            norms: of the sum of the subnets' gradients, and of the largest network's where it is
                kept apart.
            taken: the step's subnets.
            amp: whether a scaler skips such a step, and lowers its scale.

        Raises:
            NonFiniteLoss: they are not; in mixed precision only after many such steps in a row,
                which no scale helps.
        """
        wrong = [not math.isfinite(norm) for norm in norms]
        self._skipped = self._skipped + 1 if any(wrong) else 0
        if not self._skipped or (amp and self._skipped < SKIPPED):
            return not self._skipped
        if len(wrong) == 2:  # the first of them is the largest
            taken = [c for i, c in enumerate(taken) if wrong[0 if i else 1]]
        where = self._dump(data, subnets=[_described(choice) for choice in taken])
        subnets = '; '.join(
            f'the {c.role} subnet {c.arch.to_dict()}, phase {c.phase}' for c in taken
        )
        before = f' and the {SKIPPED - 1} before it' if amp else ''
        raise NonFiniteLoss(
            f'a gradient is NaN or infinite, though the losses are not, in step '
            f'{self.step}{before}, of {"" if len(taken) == 1 else "one of "}{subnets}'
            f'{where}'
        )

    def _dump(self, data: Any, **more: Any) -> str:
        """Write weights and batch; where they are, as the end of a message."""
        if self.dump_dir is None:
            return ''
        rank = f'_rank{get_rank()}' if get_rank() else ''
        path = self.dump_dir / f'nonfinite_step{self.step}{rank}.pth'
        try:
            torch.save(dict(state_dict=self.state_dict(), batch=data, **more), path)
        except (OSError, RuntimeError) as error:  # torch's for a full disk is the latter
            return f'; weights and batch could not be written to {path}: {error}'
        return f'; weights and batch are in {path}'


def _of_rank(seed: int, rank_draws: bool) -> int:
    """Return a process's seed of the draws, the same in all unless each draws for itself."""
    return seed * 1000 + get_rank() if rank_draws else seed


def _described(choice: Choice) -> dict[str, Any]:
    return dict(arch=choice.arch.to_dict(), phase=choice.phase, role=choice.role)


def _check_numbers(clip_grad: float | None, agc: float | None, log_cosine: int) -> None:
    for name, value in dict(clip_grad=clip_grad, agc=agc).items():
        if value is not None and not value > 0:
            raise ValueError(f'{name} = {value!r}, must be above 0, or None')
    if log_cosine < 0:
        raise ValueError(f'log_cosine = {log_cosine!r}, must be 0 or more')
