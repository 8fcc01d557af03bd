"""What the backbones of all families share: active architecture, outputs, freezing, loading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from numbers import Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from nasvit_mm.backbones.block import Block
from nasvit_mm.config import plain_types
from nasvit_mm.engine import ROOTS, BaseModule
from nasvit_mm.errors import ArchitectureError, UsageError, check_number, unknown
from nasvit_mm.nn import (
    ElasticBatchNorm2d,
    ElasticConv2d,
    ElasticLayerNorm2d,
    Span,
    frozen_statistics,
)
from nasvit_mm.registry import MODELS, WEIGHT_INITIALIZERS
from nasvit_mm.spaces import SCALE, TAPS, TASK_GENES, Arch, Space, get_space
from nasvit_mm.spaces.geometry import ATTENTION_MODES, WHOLE, scaled


class Tap(nn.Module):
    """Ends an output with a LayerNorm over channels and a 1x1 convolution to a width that does not
    depend on the output's.
    """

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.norm = ElasticLayerNorm2d(width)
        self.proj = ElasticConv2d(width, out_width, bias=True)

    def forward(self, x: torch.Tensor, channels: Span, width: int) -> torch.Tensor:
        out = Span.prefix(width, self.proj.out_channels)
        return self.proj(self.norm(x, channels), channels, out)


def register_backbone(kind: type[ElasticBackbone]) -> type[ElasticBackbone]:
    """Register a backbone, also in OpenMMLab's root registry if its bare name is free there."""
    MODELS.register_module(module=kind)
    if ROOTS is not None and ROOTS.MODELS.module_dict.get(kind.__name__) is None:
        ROOTS.MODELS.register_module(module=kind)
    return kind


class ElasticBackbone(BaseModule):
    """Base of the backbones: a supernet for a space, a deployable net for one architecture.

    Args:
        arch: an architecture in any form that ``Space.arch`` takes (name, mapping, file, authors'
            form), or ``'supernet'`` for the whole space.
        space: name of the space, its ``to_dict()`` form (with a restriction), or a Space.
            Default: the family's own, or the one of its spaces that has the named architecture.
        out_indices: indices of the outputs in ascending order, see ``strides``; stages beyond the
            last one are not built.
        out_width: end every output with a :class:`Tap` of that many channels (one int, or one per
            output), so that stock necks and heads fit any architecture.  Where the space has the
            gene ``taps``, the largest of its choices.
        input_scale: percent of the images' height and width at which the network computes: it
            brings them there by bilinear interpolation, so that labels and predictions keep the
            images' size.  Where the space has the gene ``scale``, 100.
        attention: ``'auto'`` (exact if the grid fits the trained position table, windows beyond),
            ``'global'`` (the table is resized) or ``'window'``.
        norm_cfg: ``dict(type='BN' or 'SyncBN', eps=, momentum=, requires_grad=)`` of batch norms.
        frozen_stages: number of stages that are frozen together with the stem: their parameters are
            fixed and their norms stay in eval mode.  -1: none, 0: the stem only.
        norm_eval: keep batch norms in eval mode while training.
        channels_last: convert the images to that layout, and leave the outputs in theirs.  Training
            on a CPU is quicker with it, but torch's batch norms then sum in single precision, which
            gives gradients about four times the rounding error.
        with_cp: recompute every block in the backward pass to save memory; losses, gradients and
            BN statistics are the same.
        drop_path_rate: stochastic depth of the last block; earlier ones scale linearly.
        in_channels: channels of the images.  Weights of another number are adapted as timm adapts
            them: repeated and scaled, or summed for one channel.
        init_cfg: mmengine's option; ``dict(type='Pretrained', checkpoint=, prefix='backbone.')``
            reads a training checkpoint or an exported subnet and refuses one of another
            architecture.
        pretrained: None; mmseg hands on the ``model.pretrained`` of a config, which its ResNet
            configs have.

    Attributes:
        space: the space that was built (with a single member for a subnet).
        options: keyword arguments that :meth:`rebuild` passes on.
        arch: the active architecture.
        phase: the active phase of the weight sharing.
        out_channels, out_strides: per output, for the active architecture.
    """

    spaces: ClassVar[tuple[str, ...]]  # supported spaces; the first is the default
    new_weights: ClassVar[tuple[str, ...]] = ('taps.',)  # keys that no classifier has
    ways: ClassVar[tuple[str, ...]] = ()  # options by which the same weights compute otherwise
    strides: ClassVar[tuple[int, ...]]  # strides of all outputs
    stage_names: ClassVar[tuple[str, ...]]
    input_convs: ClassVar[tuple[str, ...]] = ('stem.',)  # beginnings of keys that read the image
    min_size: ClassVar[int] = 1  # smallest workable side in pixels
    max_resolution: ClassVar[int]  # largest resolution that the authors train at
    phases: int = 1  # number of phases of the weight sharing
    phase: int = 0

    def __init__(
        self,
        arch: Any = 'supernet',
        space: str | Mapping | Space | None = None,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        out_width: int | Sequence[int] | None = None,
        input_scale: int = WHOLE,
        attention: str = 'auto',
        norm_cfg: Mapping | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        drop_path_rate: float = 0.0,
        channels_last: bool = False,
        in_channels: int = 3,
        init_cfg: Mapping | Sequence | None = None,
        pretrained: None = None,
    ) -> None:
        super().__init__(init_cfg)
        if pretrained is not None:
            raise UsageError(
                f'pretrained = {pretrained!r} is a checkpoint of another backbone: give the model '
                "pretrained=None, and for weights init_cfg=dict(type='Pretrained', checkpoint=FILE)"
            )
        self.space = self.read_space(arch, space)
        self.out_indices = self._read_indices(out_indices)
        if attention not in ATTENTION_MODES:
            raise ValueError(unknown('attention', attention, ATTENTION_MODES))
        if not isinstance(drop_path_rate, Real) or not 0 <= drop_path_rate < 1:
            raise ValueError(f'drop_path_rate = {drop_path_rate!r}, allowed: 0 <= rate < 1')
        whole = isinstance(frozen_stages, int)
        if not whole or not -1 <= frozen_stages <= len(self.stage_names):
            raise ValueError(
                f'frozen_stages = {frozen_stages!r}, allowed: -1 (none), 0 (stem) to '
                f'{len(self.stage_names)} ({self.stage_names[-1]})'
            )
        self.input_scale = self._read_scale(input_scale)
        self.attention, self.drop_path_rate = attention, drop_path_rate
        self.frozen_stages, self.norm_eval, self.with_cp = frozen_stages, norm_eval, with_cp
        self.channels_last = channels_last
        self.in_channels = check_number('in_channels', in_channels, low=1, whole=True)
        self._norm_args, self._norm_grad = read_norm_cfg(norm_cfg)
        self.options = dict(
            out_indices=self.out_indices,
            out_width=out_width,
            input_scale=input_scale,
            attention=attention,
            norm_cfg=norm_cfg,
            frozen_stages=frozen_stages,
            norm_eval=norm_eval,
            with_cp=with_cp,
            drop_path_rate=drop_path_rate,
            channels_last=channels_last,
            in_channels=in_channels,
        )
        self.build()
        self.taps = self._build_taps(out_width)
        self.set_arch(self.space.largest)
        if not self._norm_grad:
            for norm in self._norms():
                norm.requires_grad_(False)
        self._freeze()

    # ------------------------------------------------------------------ hooks of the family
    def build(self) -> None:
        """Create the layers of all stages up to the last output."""
        raise NotImplementedError

    def plan_of(self, arch: Arch) -> Any:
        """Return the spans of every layer for an architecture, the head's in its field ``head``."""
        raise NotImplementedError

    def output_spans(self, plan: Any) -> list[Span]:
        """Return the channels of every output in ``out_indices``."""
        raise NotImplementedError

    def blocks_of(self, arch: Any) -> list[Block]:
        """Return every block that a forward of an architecture runs, in order."""
        raise NotImplementedError

    def stem_and_stages(self) -> list[nn.Module]:
        """Return the stem, then every stage built; ``frozen_stages`` counts them."""
        raise NotImplementedError

    @property
    def cost_options(self) -> dict[str, Any]:
        """Return options of :func:`nasvit_mm.cost.count` other than outputs, taps and attention."""
        return {}

    def output_module(self, index: int) -> str:
        """Return the name of the module whose result an output is."""
        return f'stages.{index}'

    # ------------------------------------------------------------------ the active architecture
    def set_arch(self, arch: Any, phase: int = 0) -> None:
        """Choose the architecture that the next forwards run.

        Args:
            arch: any form that ``Space.arch`` takes; a member of ``self.space``.
            phase: 0 or 1 if the weight sharing alternates (bilateral, cyclic), else 0.
        """
        arch = self.space.arch(arch)
        if not 0 <= phase < self.phases:
            raise ValueError(f'phase = {phase}, {type(self).__name__} has {self.phases} phase(s)')
        self.arch, self.phase = arch, phase
        self.plan = self.plan_of(arch)

    def rebuild(self, arch: Any) -> ElasticBackbone:
        """Return a freshly initialised backbone with the same options for one architecture."""
        return type(self)(**self._options_of(arch))

    def _options_of(self, arch: Any) -> dict[str, Any]:
        """Return the arguments for one architecture; its genes of the task are options of it."""
        own, task = self.space.split(arch)
        options = dict(self.options, arch=own, space=self.space.without_task)
        if TAPS in task:
            options['out_width'] = task[TAPS]
        if SCALE in task:
            options['input_scale'] = task[SCALE]
        return options

    @property
    def out_channels(self) -> list[int]:
        """Return the channels of every output for the active architecture."""
        return self._channels(self.arch, self.plan)

    def _channels(self, arch: Arch, plan: Any) -> list[int]:
        if self.taps is not None:
            return self._tap_widths(arch)
        return [span.width for span in self.output_spans(plan)]

    def _tap_widths(self, arch: Arch) -> list[int]:
        if self.space.has(TAPS):
            return [arch[TAPS]] * len(self.taps)
        return [tap.proj.out_channels for tap in self.taps]

    def channels_of(self, arch: Any) -> list[int]:
        """Return the ``out_channels`` that another architecture of the space would have."""
        arch = self.space.arch(arch)
        return self._channels(arch, self.plan_of(arch))

    @property
    def percent(self) -> int:
        """Return the scale of the input at which the active architecture computes."""
        return self.arch[SCALE] if self.space.has(SCALE) else self.input_scale

    def output_stride(self, index: int) -> float:
        """Return the stride of an output for the active architecture."""
        return self.strides[index]

    @property
    def out_strides(self) -> list[float]:
        return [self.output_stride(i) for i in self.out_indices]

    @property
    def input_layers(self) -> list[str]:
        """Return the names of the convolutions that read the image, one a patch size."""
        return [
            name
            for name, module in self.named_modules()
            if f'{name}.'.startswith(self.input_convs)
            and isinstance(module, nn.Conv2d)
            and module.in_channels == self.in_channels
        ]

    # ------------------------------------------------------------------ forward helpers
    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the input of the classification head: the last output."""
        return self(x)[-1]

    def checked(self, x: torch.Tensor) -> torch.Tensor:
        """Check the shape of the images; return them at the size and in the layout to run in."""
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'input of shape {tuple(x.shape)}, expected (N, {self.in_channels}, H, W), as '
                f'in_channels = {self.in_channels} of {type(self).__name__} says'
            )
        percent = self.percent
        size = x.shape[2:]
        if percent != WHOLE:
            size = tuple(scaled(side, percent) for side in size)
        if min(size) < self.min_size:
            at = '' if percent == WHOLE else f' at a scale of {percent} %'
            raise ValueError(
                f'input of {x.shape[2]} x {x.shape[3]} (H x W){at}, the smallest workable '
                f'side is {self.min_size}'
            )
        if percent != WHOLE:
            x = F.interpolate(x, size, mode='bilinear', align_corners=False)
        last = self.channels_last and not torch.onnx.is_in_onnx_export()
        return x.contiguous(memory_format=torch.channels_last) if last else x

    def run_block(self, block: nn.Module, x: torch.Tensor, *args: Any) -> torch.Tensor:
        """Return ``block(x, *args)``, recomputed in the backward pass if ``with_cp`` says so."""
        if not (self.with_cp and self.training and torch.is_grad_enabled()):
            return block(x, *args)

        # The recomputation must not update running statistics a second time.
        return checkpoint(
            block,
            x,
            *args,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), frozen_statistics(block)),
        )

    def end_outputs(self, maps: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Return the maps after their taps, contiguous as those of OpenMMLab's backbones are.

        Some heads take a ``view`` of them, and some blocks and the taps leave the channels last.
        """
        if self.taps is not None:
            spans = self.output_spans(self.plan)
            widths = self._tap_widths(self.arch)
            maps = [tap(*each) for tap, *each in zip(self.taps, maps, spans, widths)]
        return tuple(maps) if self.channels_last else tuple(x.contiguous() for x in maps)

    def _build_taps(self, out_width: int | Sequence[int] | None) -> nn.ModuleList | None:
        choices = self.space.field(TAPS).choices[0] if self.space.has(TAPS) else ()
        if choices and self.space.is_single and out_width is None:
            out_width = choices[-1]
        count = len(self.out_indices)
        if choices and out_width not in (choices[-1], [choices[-1]] * count):
            raise ValueError(
                f'out_width = {out_width!r}, but taps of {choices[-1]} are the largest of the '
                f'space: give the backbone out_width={choices[-1]}'
            )
        if out_width is None:
            return None
        listed = isinstance(out_width, Sequence) and not isinstance(out_width, str)
        widths = list(out_width) if listed else [out_width] * count
        if len(widths) != count or not all(isinstance(w, int) and w > 0 for w in widths):
            raise ValueError(
                f'out_width = {out_width!r}, expected a positive int or {count} of '
                f'them, one per output of out_indices = {self.out_indices}'
            )
        spans = self.output_spans(self.plan_of(self.space.largest))
        return nn.ModuleList(Tap(s.size, w) for s, w in zip(spans, widths))

    def make_norm(self, width: int) -> ElasticBatchNorm2d:
        return ElasticBatchNorm2d(width, **self._norm_args)

    # ------------------------------------------------------------------ training state
    def _norms(self) -> list[ElasticBatchNorm2d]:
        return [m for m in self.modules() if isinstance(m, ElasticBatchNorm2d)]

    def _frozen(self) -> list[nn.Module]:
        return self.stem_and_stages()[: self.frozen_stages + 1]

    def _freeze(self) -> None:
        for module in self._frozen():
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> ElasticBackbone:
        """Set the mode, but keep frozen stages and, with ``norm_eval``, norms in eval mode."""
        super().train(mode)
        if mode:
            for module in self._frozen():
                module.eval()
            if self.norm_eval:
                for norm in self._norms():
                    norm.eval()
        return self

    def init_weights(self) -> None:
        """Initialise as mmengine does, but raise an error if a ``Pretrained`` file does not fit."""
        if not load_pretrained_init(self):
            super().init_weights()

    # ------------------------------------------------------------------ reading arguments
    def _read_scale(self, percent: int) -> int:
        check_number('input_scale', percent, low=10, high=WHOLE, whole=True)
        if percent != WHOLE and self.space.has(SCALE):
            raise ValueError(
                f'input_scale = {percent}, but the space has scales of its own, '
                f'{self.space.field(SCALE).choices[0]}: leave input_scale out'
            )
        return percent

    @classmethod
    def read_space(cls, arch: Any, space: str | Mapping | Space | None) -> Space:
        """Return the space to build for the arguments ``arch`` and ``space``.

        Raises:
            ArchitectureError: the space or architecture is unknown, or belongs to another family.
        """
        arch = plain_types(arch)
        whole = get_space(cls._space_of(arch) if space is None else plain_types(space))
        if whole.name not in cls.spaces:
            raise ArchitectureError(
                f'{cls.__name__} serves {", ".join(cls.spaces)}, not the space {whole.name!r}'
            )
        if arch is None or (isinstance(arch, str) and arch == 'supernet'):
            return whole
        given = whole.mapping(arch)
        brought = {gene: given[gene] for gene in TASK_GENES if gene in given}
        if set(brought) - {field.name for field in whole.task}:
            having = {field.name: field.choices[0] for field in whole.task}
            whole = whole.with_task(having | brought)
        return whole.only(arch)

    @classmethod
    def _space_of(cls, arch: Any) -> str:
        """Return the name of the space that is meant if none is given."""
        if isinstance(arch, (Arch, Mapping)):
            name = arch.space if isinstance(arch, Arch) else arch.get('space')
            return cls.spaces[0] if name is None else name
        printed = str(arch).partition(':')[0]  # str(architecture) begins with its space
        if printed in cls.spaces:
            return printed
        having = [s for s in cls.spaces if isinstance(arch, str) and arch in get_space(s).zoo]
        return [*having, cls.spaces[0]][0]

    def _read_indices(self, out_indices: Sequence[int]) -> tuple[int, ...]:
        indices = tuple(out_indices) if isinstance(out_indices, Sequence) else (out_indices,)
        if (
            not indices
            or not all(isinstance(i, int) for i in indices)
            or list(indices) != sorted(set(indices))
            or not all(0 <= i < len(self.strides) for i in indices)
        ):
            raise ValueError(
                f'out_indices = {out_indices!r}, expected ascending indices out of '
                f'0..{len(self.strides) - 1} (strides {self.strides})'
            )
        return indices


def image_channels(model: nn.Module) -> int:
    """Return the channels of the images that a model takes: what its backbone of this project says;
    3 of another model.
    """
    ours = (m for m in model.modules() if isinstance(m, ElasticBackbone))
    return next((backbone.in_channels for backbone in ours), 3)


def load_pretrained_init(module: BaseModule) -> bool:
    """Load what a module's ``init_cfg=dict(type='Pretrained', ...)`` names, once; of a list of
    initialisers after the others.

    mmengine's own initialiser only warns about weights that do not fit.

    Returns:
        Whether its ``init_cfg`` is one, or has one.

    Raises:
        UsageError: the weights do not fit.
    """
    given = module.init_cfg
    ways = given if isinstance(given, (list, tuple)) else [given]
    named = [one for one in ways if isinstance(one, Mapping) and one.get('type') == 'Pretrained']
    if not named:
        return False
    if not module._is_init:
        others = [one for one in ways if one not in named]
        if others:
            module.init_cfg = others
            BaseModule.init_weights(module)
            module.init_cfg = given
        for cfg in named:
            WEIGHT_INITIALIZERS.build(dict(cfg, type='nasvit_mm.PretrainedBackbone'))(module)
        module._is_init = True
    return True


def read_norm_cfg(norm_cfg: Mapping | None) -> tuple[dict[str, Any], bool]:
    """Convert ``norm_cfg`` to arguments of ElasticBatchNorm2d, and whether its norms are trained.

    Raises:
        ValueError: the type is neither BN nor SyncBN, or a key is unknown.
    """
    cfg = dict(norm_cfg or {})
    kind, trained = cfg.pop('type', 'BN'), cfg.pop('requires_grad', True)
    if kind not in ('BN', 'BN2d', 'SyncBN') or not set(cfg) <= {'eps', 'momentum'}:
        raise ValueError(
            f'norm_cfg = {norm_cfg!r}, allowed: type BN or SyncBN, eps, momentum, requires_grad'
        )
    return dict(cfg, sync=kind == 'SyncBN'), trained
