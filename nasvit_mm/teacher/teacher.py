"""A trained dense model from which others learn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from nasvit_mm.arguments import parameters_of
from nasvit_mm.building import read_file
from nasvit_mm.checkpoints import Checkpoint, check_checkpoint_exists
from nasvit_mm.compat import half_type
from nasvit_mm.config import plain_types, type_name
from nasvit_mm.data import class_names
from nasvit_mm.dense import StepOutput, build_model, inner_model, kind_of, load_weights
from nasvit_mm.errors import UsageError, check_number, closest, shown_path, shown_value, unknown
from nasvit_mm.teacher.cache import AnswerCache, check_folder, check_repeats
from nasvit_mm.teacher.classes import Order, class_order
from nasvit_mm.teacher.detections import DetectionLessons
from nasvit_mm.teacher.images import Renormalise, check_pipelines
from nasvit_mm.teacher.maps import MapLessons

PRECISIONS = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}
LESSONS = (MapLessons, DetectionLessons)
NEEDED = ('config', 'checkpoint')
OPTIONS = ('precision', 'classes', 'scale', 'cache')


class Teacher:
    """A trained dense model, frozen and in evaluation mode, of which a model learns.

    It sees the images of the step as the model does, normalised as its own preprocessor would, and
    is built when training begins (:meth:`meet`): what a config says of a teacher costs nothing
    elsewhere.  It is no module: no checkpoint, average, count or optimizer finds it.

    Args:
        student: the model that learns.
        config: file, or content, of the teacher's config: of mmseg, mmdet or this project.
        checkpoint: its weights, a file or URL.
        precision: of its pass: ``'fp32'``, ``'fp16'``, ``'bf16'``; ``'auto'``: bf16 on a GPU or CPU
            that has it, fp16 on any other GPU, else fp32.
        classes: names of its classes in its order; None: as its checkpoint or config says.
        scale: factor by which images are resized for its pass; of segmentors, whose answers are
            brought to the student's grid anyway.
        cache: folder in which its answers are kept, where training sees the same images in every
            epoch; None: it runs in every step.
        lessons: what is learnt, by the kind of the student, see :class:`MapLessons` and
            :class:`DetectionLessons`.

    Raises:
        UsageError: options that are not known, or a student of which it is not known how it learns
            from a teacher.
    """

    def __init__(
        self,
        student: nn.Module,
        config: str | Path | Mapping[str, Any] | None = None,
        checkpoint: str | Path | None = None,
        precision: str = 'auto',
        classes: Sequence[str] | None = None,
        scale: float = 1.0,
        cache: str | Path | None = None,
        **lessons: Any,
    ) -> None:
        lacking = [key for key, value in zip(NEEDED, (config, checkpoint)) if not value]
        if lacking:
            raise UsageError(
                f'teacher has no {" and no ".join(lacking)}: expected teacher=dict(config=FILE, '
                'checkpoint=FILE)'
            )
        if not isinstance(precision, str) or precision not in ('auto', *PRECISIONS):
            raise UsageError(unknown('teacher.precision', precision, ('auto', *PRECISIONS)))
        if cache is not None:
            check_folder(cache)
        kind = next((each for each in LESSONS if each.fits(student)), None)
        if kind is None:
            raise UsageError(
                f'it is not known how {type(student).__name__} learns from a teacher: teachers are '
                'for segmentors of class maps and detectors with dense heads; leave teacher out'
            )
        check_number('teacher.scale', scale, above=0)
        if scale != 1 and not kind.any_scale:
            raise UsageError(
                f'teacher.scale = {scale}: a detector is compared with its teacher at the same '
                'strides and anchors, which belong to one size of the images: leave teacher.scale '
                'out'
            )
        known = [name for name in parameters_of(kind) if name != 'student']
        for name in lessons:
            if name not in known:
                allowed = (*NEEDED, *OPTIONS, *known)
                raise UsageError(
                    f'teacher has {name}{closest(name, allowed)}, allowed: {", ".join(allowed)}'
                )
        self.lessons = kind(student, **lessons)
        self.config, self.checkpoint = config, str(checkpoint)
        self.precision, self.classes, self.cache = precision, classes, cache
        self.scale = scale
        self._student = [student]
        self._model: nn.Module | None = None
        self._placed: tuple[torch.device, torch.memory_format] | None = None
        self._order: Order | None = None
        self._answers: AnswerCache | None = None  # on the disk

    def __deepcopy__(self, memo: dict) -> Teacher:
        return self  # it never changes: a moving average of the student needs none of its own

    # ------------------------------------------------------------------ when training begins
    def begin(self, runner: Any) -> None:
        """Be ready for the training of a runner.

        Raises:
            UsageError: see :meth:`meet`; or its answers are to be kept, and images are not the same
                in every epoch.
        """
        dataset = runner.train_dataloader.dataset
        if self.cache is not None:
            check_repeats(dataset, self._student[0].data_preprocessor)
        self.meet((getattr(dataset, 'metainfo', None) or {}).get('classes'))
        check_pipelines(dataset, self._cfg, self._renormalise.same)

    def meet(self, classes: Sequence[str] | None = None) -> None:
        """Build the teacher and load its weights, once, and match its classes with the data's.

        Args:
            classes: names of the classes that are trained; None: not known.

        Raises:
            UsageError: files that do not exist or make no model, a teacher of another
                kind, or other classes.
        """
        if self._model is not None:
            return
        check_files(self.config, self.checkpoint)
        (student,) = self._student
        cfg = self._read()
        try:
            with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
                model = build_model(cfg)
                found = load_weights(model, self.checkpoint, cfg)
        except UsageError as error:
            raise UsageError(f'the teacher: {error}') from error
        self.lessons.check(model)
        self._renormalise = Renormalise(student, model)
        ours, theirs = (kind_of(m).head(m)[1].num_classes for m in (student, model))
        self._order = class_order(
            classes, self._names(cfg, found, theirs), ours, theirs, self.lessons.drops_classes
        )
        self._model = model.requires_grad_(False)
        self._cfg = cfg
        print_log(
            f'teacher: {type(model).__name__} with {type(model.backbone).__name__}, '
            f'{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, of '
            f'{self.checkpoint}',
            logger='current',
        )

    def _identity(self, precision: str) -> list[Any]:
        """Return what answers depend on beside the image."""
        digest = hashlib.sha256()
        for key, value in self._model.state_dict().items():
            digest.update(key.encode())
            digest.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return [
            digest.hexdigest(),
            json.dumps(plain_types(self._cfg.model), sort_keys=True, default=str),
            self._order,
            precision,
            self.lessons.form,
            *([] if self.scale == 1 else [self.scale]),  # those kept by earlier versions stay
        ]

    def _read(self) -> Config:
        given = self.config
        cfg = Config(dict(given)) if isinstance(given, Mapping) else read_file(given)
        if cfg.get('model') is None:
            raise UsageError(f"the teacher's config {given} has no model")
        if type_name(cfg.model) == 'Supernet':
            raise UsageError(
                f"the teacher's config {given} is of a supernet, whose batch norm statistics fit "
                'none of its subnets: export one (nasvit-mm export), and give config and weights '
                'of that'
            )
        cfg.model = inner_model(cfg)
        return cfg

    def _names(self, cfg: Config, found: Checkpoint, number: int) -> Sequence[str] | None:
        """Return the names of the teacher's classes, as far as they are known."""
        if self.classes is not None:
            if len(self.classes) != number:
                raise UsageError(
                    f'teacher.classes names {len(self.classes)} classes, and the teacher has '
                    f'{number}'
                )
            return self.classes
        data = found.meta.get('dataset_meta') or {}
        names = data.get('classes', data.get('CLASSES')) or _names_in(cfg)
        return names if names is not None and len(names) == number else None

    # ------------------------------------------------------------------ in a step
    @torch.no_grad()
    def __call__(self, images: Tensor) -> Sequence[Tensor]:
        """Return the teacher's answers for the images of a step, as the student's preprocessor
        gives them, (N, 3, H, W).
        """
        self.meet()
        device = images.device
        kind = half_type(device) if self.precision == 'auto' else PRECISIONS[self.precision]
        half = kind != torch.float32
        form = torch.channels_last if half else torch.contiguous_format
        if self._placed != (device, form):
            self._model.to(device, memory_format=form)
            self._placed = device, form

        def compute(seen: Tensor) -> Sequence[Tensor]:
            seen = self._resized(seen).contiguous(memory_format=form)
            with torch.autocast(device.type, kind, enabled=half):
                return self.lessons.answers(self._model, seen, self._order)

        seen = self._renormalise(images)
        if self.cache is not None and self._answers is None:
            precision = next(name for name, each in PRECISIONS.items() if each == kind)
            self._answers = AnswerCache(self.cache, self._identity(precision))
        return compute(seen) if self._answers is None else self._answers(seen, compute)

    def _resized(self, images: Tensor) -> Tensor:
        """Return images (N, 3, H, W) at the size of the teacher's pass."""
        if self.scale == 1:
            return images
        size = tuple(max(1, round(side * self.scale)) for side in images.shape[2:])
        smaller = self.scale < 1
        return F.interpolate(images.float(), size, mode='bilinear', antialias=smaller)

    def losses(self, output: StepOutput, answers: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the weighted losses by name of what a model gives, and the teacher's answers."""
        device = next(self._model.parameters()).device
        with torch.autocast(device.type, enabled=False):  # of a step in mixed precision
            return self.lessons.losses(output, answers)


def options_of(teacher: Any) -> dict[str, Any]:
    """Return what a config says of a teacher.

    Raises:
        UsageError: it is no mapping.
    """
    if not isinstance(teacher, Mapping):
        raise UsageError(
            f'teacher = {shown_value(teacher)}, expected dict(config=FILE, checkpoint=FILE)'
        )
    return dict(teacher)


def check_files(config: Any, checkpoint: Any) -> None:
    """Check that a teacher's config and checkpoint exist.

    Raises:
        UsageError: names the one that does not.
    """
    if isinstance(config, (str, Path)) and not Path(config).is_file():
        raise UsageError(f"the teacher's config {shown_path(config)} does not exist")
    if checkpoint:
        check_checkpoint_exists(checkpoint)


def _names_in(cfg: Config) -> Sequence[str] | None:
    """Return the names of classes of a config's test data, None where they are not known."""
    try:
        return class_names(cfg).get('classes')
    except (AttributeError, KeyError, TypeError):  # without data, or with a data set in another one
        return None
