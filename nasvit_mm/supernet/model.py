"""``Supernet``: any mmengine model with an elastic backbone, trained by several subnets a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from timm.utils.agc import adaptive_clip_grad

from nasvit_mm.backbones import ElasticBackbone
from nasvit_mm.dense import build_network, elastic_backbone, kind_of
from nasvit_mm.errors import UsageError, unknown
from nasvit_mm.nn import frozen_statistics
from nasvit_mm.registry import MODELS, SAMPLERS, registered
from nasvit_mm.runtime import NonFiniteLoss
from nasvit_mm.supernet.batch import copied
from nasvit_mm.supernet.check import check_training
from nasvit_mm.supernet.conflict import Conflict, cosine
from nasvit_mm.supernet.distill import TEACHERS, Distillation, Teachers
from nasvit_mm.supernet.from_network import begin_with
from nasvit_mm.supernet.reduce import mean_gradients, mean_number, take_gradients
from nasvit_mm.supernet.samplers.base import LARGEST, Choice, SubnetSampler
from nasvit_mm.supernet.taught import Taught
from nasvit_mm.teacher import Learns


@MODELS.register_module()
class Supernet(BaseModel):
    """Train the weights that all subnets of a model's backbone share.

    A step: the sampler names subnets; each runs forward and backward on the same batch; the
    largest one's gradients are kept apart, and combined with the sum of the others' by the
    conflict rule; one optimizer step.  Everything else (``forward``, validation, prediction) is the
    wrapped model's, with the architecture that is active.

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
        clip_grad: largest L2 norm of the subnets' summed gradient (NASViT: 1.0, the largest
            network's is not clipped); None: no limit.
        agc: factor of adaptive gradient clipping of the combined gradient (ElasticViT: 0.1).
        rank_draws: every process draws subnets of its own; else all draw the same.
        log_cosine: every so many steps the cosine of the two gradients is computed, and logged
            where the step has a line in the log; 0: never.
        data_preprocessor: of the model, where its own config has none.
        init: a network to begin with, which is laid into the supernet: a name, a checkpoint or the
            folder of an export, or ``dict(network=, arch=, phase=, order=)``; see
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
            self._explained = self._checked = False
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
        if self.sampler.state_dict():
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
            UsageError: it accumulates over batches, or clips gradients.
        """
        if getattr(optim_wrapper, '_accumulative_counts', 1) != 1:
            raise UsageError(
                'accumulative_counts of the optimizer wrapper must be 1: a step of a '
                'supernet sums over subnets'
            )
        if getattr(optim_wrapper, 'clip_grad_kwargs', None):
            raise UsageError(
                'optim_wrapper.clip_grad must be None: the supernet has a limit of '
                "its own, model.clip_grad, of the subnets' gradient before the "
                "largest one's is added"
            )

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, torch.Tensor]:
        """Train one step over a batch; return what is logged.

        Raises:
            UsageError: in the first step, see :func:`check_training`.
            NonFiniteLoss: a loss or a gradient is not finite.
        """
        self.check_optimizer(optim_wrapper)
        if not self._checked:
            context = partial(optim_wrapper.optim_context, self)
            check_training(self.model, self.kind, self.distill, data, context)
            self._checked = True
        self.step += 1
        before = self.model.backbone.arch, self.model.backbone.phase
        try:
            return self._train_step(data, optim_wrapper, (self.step - 1) // self.steps_per_epoch)
        finally:
            self.set_arch(*before)

    def _train_step(
        self, data: Any, optim_wrapper: OptimWrapper, epoch: int
    ) -> dict[str, torch.Tensor]:
        for choice in self.sampler.stale(self.step, self.steps_per_epoch):
            self.sampler.observe(choice, self._score(choice, data))
        ready = self.model.data_preprocessor(data, True)
        teachers = self._teachers[0](self.kind.inputs(ready)) if self._teachers else None
        self.distill.begin(teachers)
        if self.taught:
            self.taught.begin(self.kind.inputs(ready))
        optim_wrapper.zero_grad()
        losses: dict[str, list[torch.Tensor]] = {}
        largest, taken = None, []
        for choice in self.sampler.draw(self.step, epoch):
            if largest is None and losses.get(LARGEST):
                largest = take_gradients(list(self.model.parameters()))
            taken.append(choice)
            self.set_arch(choice.arch, choice.phase)
            with optim_wrapper.optim_context(self):
                objects = self.distill.objects(choice.role)
                output = self.kind.forward_on(self.model, copied(ready), objects)
                loss = self.distill.loss(choice.role, output)
                if self.taught:
                    loss = loss + self.taught.loss(choice.role, output)
            self._check_finite(loss, choice, data)
            optim_wrapper.backward(loss)
            losses.setdefault(choice.role, []).append(loss.detach())
            if choice.wants_score:
                self.sampler.observe(choice, self._score(choice, data))
        norms, logged = self._combine(largest, epoch, optim_wrapper)
        if self.taught:
            logged |= self.taught.end()
        if not isinstance(optim_wrapper, AmpOptimWrapper):  # whose scaler skips such a step
            self._check_gradients(norms, taken, data)
        optim_wrapper.step()
        optim_wrapper.zero_grad()
        self._explain_negative(losses)
        logs = {f'loss_{role}': torch.stack(values).mean() for role, values in losses.items()}
        return dict(logs, loss=sum(torch.stack(v).sum() for v in losses.values()), **logged)

    def _explain_negative(self, losses: Mapping[str, list[torch.Tensor]]) -> None:
        """Say once, where the first loss below 0 is printed, that it is no mistake."""
        if self._explained:
            return
        below = [role for role, values in losses.items() if any(v < 0 for v in values)]
        if below:
            self._explained = True
            print_log(
                f'loss_{below[0]} is below 0, as it may be: the adaptive alpha-divergence to a '
                'teacher (AlphaNet) is written so that its gradient is right, and its value means '
                'nothing. Follow loss_largest, and the metrics of the validation',
                logger='current',
            )

    def _combine(
        self, largest: list | None, epoch: int, optim_wrapper: OptimWrapper
    ) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
        """Write the step's gradient to the parameters; return norms of its parts, and the logs."""
        parameters = list(self.model.parameters())
        same, logged = not self.rank_draws, {}
        subnets = mean_gradients([p.grad for p in parameters], parameters, same)
        if largest is not None:
            largest = mean_gradients(largest, parameters, same)
        for p, g in zip(parameters, subnets):
            p.grad = g
        self._unscale(largest, optim_wrapper)
        if self.clip_grad is not None:
            norm = torch.nn.utils.clip_grad_norm_(parameters, self.clip_grad)
            logged['grad_norm'] = norm
        else:
            norm = _norm(subnets)
        norms = [norm]
        if largest is not None:
            norms.append(_norm(largest))
            if self.log_cosine and self.step % self.log_cosine == 0:
                logged['cosine'] = torch.tensor(cosine(subnets, largest))
            for p, g in zip(parameters, self.conflict(subnets, largest, epoch)):
                p.grad = g
        if self.agc is not None:
            adaptive_clip_grad([p for p in parameters if p.grad is not None], self.agc)
        return norms, logged

    @staticmethod
    def _unscale(largest: list | None, optim_wrapper: OptimWrapper) -> None:
        """Both sets of gradients, for limits and projection depend on their size."""
        if not isinstance(optim_wrapper, AmpOptimWrapper):
            return
        scaler = optim_wrapper.loss_scaler
        if largest is not None:
            kept = [g for g in largest if g is not None]
            inverse = 1.0 / scaler.get_scale()
            for g in kept:
                g.mul_(inverse)
            if not all(g.isfinite().all() for g in kept):
                # The scaler looks at the parameters' gradients only, and must skip this step.
                for group in optim_wrapper.optimizer.param_groups:
                    for p in group['params']:
                        if p.grad is not None:
                            p.grad.fill_(float('nan'))
        scaler.unscale_(optim_wrapper.optimizer)

    @torch.no_grad()
    def _score(self, choice: Choice, data: Any) -> float:
        """Quality of a subnet on the clean batch, the mean over all processes."""
        self.set_arch(choice.arch, choice.phase)
        with frozen_statistics(self.model):
            score = mean_number(self.kind.score(self.model, self.kind.clean(self.model, data)))
        self._check_finite(torch.tensor(score), choice, data, 'score')
        return score

    def _check_finite(
        self, value: torch.Tensor, choice: Choice, data: Any, what: str = 'loss'
    ) -> None:
        if bool(torch.isfinite(value)):
            return
        where = self._dump(data, **_described(choice))
        raise NonFiniteLoss(
            f'the {what} is {float(value.detach())} in step {self.step}, of the '
            f'{choice.role} subnet {choice.arch.to_dict()}, phase {choice.phase}'
            f'{where}'
        )

    def _check_gradients(self, norms: list[torch.Tensor], taken: list[Choice], data: Any) -> None:
        """Check the gradients before the step, for after it the weights are lost.

        Args:
            norms: of the sum of the subnets' gradients, and of the largest network's where it is
                kept apart.
            taken: the step's subnets.
        """
        wrong = [not norm for norm in torch.isfinite(torch.stack(norms)).tolist()]
        if not any(wrong):
            return
        if len(wrong) == 2:  # the first of them is the largest
            taken = [c for i, c in enumerate(taken) if wrong[0 if i else 1]]
        where = self._dump(data, subnets=[_described(choice) for choice in taken])
        subnets = '; '.join(
            f'the {c.role} subnet {c.arch.to_dict()}, phase {c.phase}' for c in taken
        )
        raise NonFiniteLoss(
            f'a gradient is NaN or infinite, though the losses are not, in step '
            f'{self.step}, of {"" if len(taken) == 1 else "one of "}{subnets}'
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


def _norm(gradients: list[torch.Tensor | None]) -> torch.Tensor:
    """Return the L2 norm of all gradients together."""
    given = [g for g in gradients if g is not None]
    return torch.stack(torch._foreach_norm(given)).norm() if given else torch.zeros(())


def _check_numbers(clip_grad: float | None, agc: float | None, log_cosine: int) -> None:
    for name, value in dict(clip_grad=clip_grad, agc=agc).items():
        if value is not None and not value > 0:
            raise ValueError(f'{name} = {value!r}, must be above 0, or None')
    if log_cosine < 0:
        raise ValueError(f'log_cosine = {log_cosine!r}, must be 0 or more')
