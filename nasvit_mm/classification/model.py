"""The image classifier as an mmengine model, and its preprocessor with mixup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor, BaseModel
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, Mixup
from timm.data.random_erasing import RandomErasing

from nasvit_mm.backbones import ClassifierForward, create_model, load_pretrained_init
from nasvit_mm.config import plain_types
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import MODELS
from nasvit_mm.spaces import Space, get_space


@MODELS.register_module()
class ClassificationPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device and normalise it; in training erase, and mix images and labels, by
    timm.

    Batches are ``dict(inputs=(N, 3, H, W), labels=(N,) int64)``; mixup adds ``targets``
    (N, classes), what the images are a mixture of.  Images of bytes, a quarter of what the device
    has to fetch, are normalised here; those of floats are already.

    Args:
        mean, std: of the channels of images of bytes, for values of 0 to 1; ImageNet's.
        erasing: arguments of ``timm.data.RandomErasing`` (probability, mode, ...); None: none.
        mixup: arguments of ``timm.data.Mixup`` (mixup_alpha, cutmix_alpha, prob, switch_prob,
            label_smoothing, num_classes, ...); None: none.
        channels_last: memory order of the images, and so of all maps; None: on a CPU, where
            depthwise and 1x1 convolutions train faster by it (benchmarks/supernet_step.py).
        non_blocking: have a GPU fetch the batch while the host goes on; it takes a data loader with
            ``pin_memory=True``, and is harmless without.
    """

    def __init__(
        self,
        mixup: Mapping | None = None,
        channels_last: bool | None = None,
        non_blocking: bool = True,
        mean: Sequence[float] = IMAGENET_DEFAULT_MEAN,
        std: Sequence[float] = IMAGENET_DEFAULT_STD,
        erasing: Mapping | None = None,
    ) -> None:
        super().__init__(non_blocking)
        self.mixup = None if mixup is None else Mixup(**mixup)
        self.channels_last = channels_last
        for name, values in dict(mean=mean, std=std).items():
            channels = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)  # (3, 1, 1)
            self.register_buffer(name, channels, persistent=False)
        self.erasing = None if erasing is None else RandomErasing(**erasing)

    def forward(self, data: Mapping, training: bool = False) -> dict[str, torch.Tensor]:
        data = dict(self.cast_data(data))
        last = self.channels_last
        if data['inputs'].device.type == 'cpu' if last is None else last:
            data['inputs'] = data['inputs'].contiguous(memory_format=torch.channels_last)
        images = data['inputs']
        if not images.is_floating_point():
            # The steps of torchvision's ToTensor and Normalize, so that no bit differs.
            images = images.float().div_(255).sub_(self.mean).div_(self.std)
        elif training and (self.erasing or self.mixup):
            images = images.clone()  # both write in place, and the clean images are wanted too
        if training and self.erasing is not None:
            self.erasing.device = images.device  # of the noise
            self.erasing(images)
        if training and self.mixup is not None:
            if len(images) % 2:
                raise UsageError(
                    f'mixup takes images in pairs, got a batch of '
                    f'{len(images)}: give an even batch_size'
                )
            images, data['targets'] = self.mixup(images, data['labels'])
        data['inputs'] = images
        return data


@MODELS.register_module()
class ImageClassifier(ClassifierForward, BaseModel):
    """A classifier of ``create_model`` for mmengine's Runner; its keys are the same.

    Args:
        space: name of a space, its ``to_dict()`` form, or a Space.
        arch: an architecture in any form that ``Space.arch`` takes; None or ``'supernet'``: the
            supernet.
        num_classes: outputs.
        label_smoothing: of the loss where targets are not mixed already.
        data_preprocessor: default :class:`ClassificationPreprocessor` without mixup.
        kwargs: of :func:`nasvit_mm.create_model`.

    Raises:
        UsageError: a preprocessor that mixes labels of another number of classes.
    """

    def __init__(
        self,
        space: Any,
        arch: Any = None,
        num_classes: int = 1000,
        label_smoothing: float = 0.0,
        data_preprocessor: Mapping | None = None,
        init_cfg: Mapping | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            data_preprocessor or dict(type='nasvit_mm.ClassificationPreprocessor'), init_cfg
        )
        space = self.read_space(arch, space)
        net = create_model(space, space.largest if space.is_single else None, num_classes, **kwargs)
        self.backbone, self.head, self.resize = net.backbone, net.head, net.resize
        self.label_smoothing = label_smoothing
        mixed = getattr(getattr(self.data_preprocessor, 'mixup', None), 'num_classes', num_classes)
        if mixed != num_classes:
            raise UsageError(
                f'mixup.num_classes = {mixed} of the data preprocessor, and '
                f'num_classes = {num_classes} of the model: they must be equal'
            )

    def init_weights(self) -> None:
        """Initialise as mmengine does, but raise an error if a ``Pretrained`` file does not fit."""
        if not load_pretrained_init(self):
            super().init_weights()

    @staticmethod
    def read_space(arch: Any, space: Any) -> Space:
        """Return what is built for the arguments ``arch`` and ``space``.

        Raises:
            KeyError, ValueError, TypeError, OSError: an unknown space or architecture.
        """
        space = get_space(plain_types(space))
        return FAMILIES[space.name].part('backbone').read_space(arch, space)

    def forward(
        self,
        inputs: torch.Tensor,
        labels: torch.Tensor | None = None,
        targets: torch.Tensor | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Return logits ('tensor'), ``dict(loss=)`` ('loss'), or a dict an image ('predict')."""
        logits = self.logits(inputs)
        if mode == 'tensor':
            return logits
        if mode == 'loss':
            return dict(loss=self.loss(logits, labels, targets))
        if mode == 'predict':
            out = [dict(scores=scores) for scores in logits.softmax(1)]
            if labels is None:
                return out
            return [dict(o, label=label) for o, label in zip(out, labels.tolist())]
        raise ValueError(f"mode = {mode!r}, allowed: 'tensor', 'loss', 'predict'")

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor | None, targets: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the cross-entropy: with mixed targets where given, else with smoothed labels."""
        if targets is not None:
            return F.cross_entropy(logits, targets)
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
