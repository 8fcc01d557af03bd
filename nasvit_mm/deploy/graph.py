"""A trained model as one function of raw images: normalisation, network, label map or boxes."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import ImgDataPreprocessor
from torch import Tensor, nn

from nasvit_mm.backbones import ElasticBackbone, image_channels
from nasvit_mm.dense import kind_of
from nasvit_mm.deploy.artefact import BOXES, CLASSES, LABEL_MAP, MULTIPLE
from nasvit_mm.deploy.boxes import detections
from nasvit_mm.deploy.masks import mask_form
from nasvit_mm.errors import UsageError

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Graph(nn.Module):
    """What an artefact runs: uint8 RGB images (N, H, W, 3) to named outputs.

    - A segmentor gives ``label_map`` (N, H, W), uint8 where 256 classes suffice, else int32: the
      logits at the size of the images and their argmax, as mmseg predicts; with ``logits=True``
      ``logits`` (N, classes, H, W) instead.
    - A detector gives ``boxes`` (N, M, 4) as x1, y1, x2, y2 in pixels of the images, ``scores``
      (N, M), falling, and ``labels`` (N, M) int32, after non-maximum suppression.  M is the
      config's ``max_per_img``; places without a box have score 0.  Of an instance segmentor also
      ``masks`` (N, M, h, w): see :mod:`nasvit_mm.deploy.masks`.
    - A classifier gives ``scores`` (N, classes), the softmax.

    Args:
        model: in evaluation mode, on the CPU.
        input_size: (H, W) in pixels of the images that it takes.
        logits: of a segmentor, see above.
        dynamic: of a segmentor, take images of other multiples of :data:`MULTIPLE` pixels too.

    Raises:
        UsageError: the kind of model has no such form.
    """

    def __init__(
        self,
        model: nn.Module,
        input_size: tuple[int, int],
        logits: bool = False,
        dynamic: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.size = model, tuple(input_size)
        self.kind = kind_of(model)
        self.task = self.kind.predicts
        if self.task is None:
            raise UsageError(
                f'a {type(model).__name__} cannot be deployed: label maps, boxes and classes are '
                'known, and its kind predicts none of them'
            )
        if logits and self.task != LABEL_MAP:
            raise UsageError(f'--logits are of a segmentor; this model predicts {self.task}')
        if dynamic and self.task != LABEL_MAP:
            raise UsageError(
                f'--dynamic is of a segmentor; this model predicts {self.task}, at the size of '
                '--shape H W'
            )
        if dynamic and any(isinstance(part, ElasticBackbone) for part in model.modules()):
            raise UsageError(
                f'--dynamic: the attention of {type(model.backbone).__name__} is laid out for one '
                'size of image (windows, tables of positions): give that, --shape H W'
            )
        channels = image_channels(model)
        if channels != 3:
            raise UsageError(
                f'an artefact takes RGB images, and the backbone takes {channels} channels '
                f'(in_channels = {channels}): nasvit-mm benchmark CONFIG --onnx FILE writes a '
                'graph of the network alone'
            )
        self.logits, self.dynamic = logits, dynamic
        self.masks = mask_form(model) if self.task == BOXES else None
        self.normalisation = normalisation(model)
        divisor = self.normalisation.divisor
        if dynamic and (MULTIPLE % divisor or any(side % MULTIPLE for side in self.size)):
            raise UsageError(
                f'--dynamic: height and width are multiples of {MULTIPLE}; --shape is '
                f'{self.size[0]} {self.size[1]}, and the preprocessor pads to multiples of '
                f'{divisor}: give --shape {" ".join(str(-(-s // 32) * 32) for s in self.size)}'
                + (', and set its size_divisor to 32' if MULTIPLE % divisor else '')
            )
        for name in ('mean', 'std'):
            values = torch.tensor(getattr(self.normalisation, name)).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    @property
    def padded(self) -> tuple[int, int]:
        """Return (height, width) that the network sees: the next multiples of its divisor."""
        divisor = self.normalisation.divisor
        return tuple(-(-side // divisor) * divisor for side in self.size)

    @property
    def remarks(self) -> list[str]:
        """Return what the graph does unlike the model itself, in sentences."""
        cfg = getattr(self.model, 'test_cfg', None) or {}
        if self.task != LABEL_MAP or cfg.get('mode') != 'slide':
            return []
        crop = cfg['crop_size']
        if not self.dynamic and all(side <= most for side, most in zip(self.size, crop)):
            return []  # one window, the image
        return [
            f"the model's test_cfg.mode = 'slide' predicts windows of {crop[0]} x {crop[1]}, and "
            'the artefact whole images: its metric may be another than that of the checkpoint; '
            'nasvit-mm test CONFIG DIR measures it'
        ]

    @property
    def output_names(self) -> list[str]:
        if self.task == BOXES:
            return ['boxes', 'scores', 'labels', *(['masks'] if self.masks else [])]
        if self.task == CLASSES:
            return ['scores']
        return ['logits' if self.logits else 'label_map']

    def normalised(self, images: Tensor) -> Tensor:
        """Return what the network sees, (N, 3, H, W), of the images that the graph takes."""
        x = images.permute(0, 3, 1, 2).float()  # (N, 3, H, W)
        if not self.normalisation.rgb:
            x = x.flip(1)
        x = (x - self.mean) / self.std
        height, width = self.padded
        if (
            not self.dynamic and (height, width) != self.size
        ):  # as OpenMMLab's preprocessors: right and below, by 0
            x = F.pad(x, (0, width - self.size[1], 0, height - self.size[0]))
        return x

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        if self.task == BOXES:
            return detections(self.model, self.normalised(images), self.size)
        if self.task == CLASSES:
            return self._predict(self.normalised(images)).softmax(1)
        logits = self.class_logits(images)
        return logits if self.logits else self.labels(logits)

    def class_logits(self, images: Tensor) -> Tensor:
        """Return a segmentor's logits, (N, classes, H, W) at the size of the images."""
        return self._predict(self.normalised(images))[..., : images.shape[1], : images.shape[2]]

    def labels(self, logits: Tensor) -> Tensor:
        """Return the label map (N, H, W) of logits."""
        if logits.shape[1] == 1:  # one channel is a sigmoid's
            head = self.model.decode_head
            return (logits[:, 0].sigmoid() > head.threshold).to(torch.uint8)
        return logits.argmax(1).to(torch.uint8 if logits.shape[1] <= 256 else torch.int32)

    def _predict(self, x: Tensor) -> Tensor:
        return self.kind.prediction_fn(self.model, tuple(x.shape[2:]))(self.model, x)


class Normalisation(NamedTuple):
    """What a model's preprocessor does to images.

    Attributes:
        mean, std: of the channels in the network's order, for values of 0 to 255.
        rgb: whether that order is RGB; else BGR.
        divisor: height and width are padded to multiples of it.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    rgb: bool
    divisor: int


def normalisation(model: nn.Module) -> Normalisation:
    """Return what a model's preprocessor does to images.

    Raises:
        UsageError: it is none of mmengine's image preprocessors.
    """
    found = model.data_preprocessor
    if kind_of(model).classifies:  # whose data sets normalise
        return Normalisation(IMAGENET_MEAN, IMAGENET_STD, True, 1)
    if not isinstance(found, ImgDataPreprocessor):
        raise UsageError(
            f'the preprocessor {type(found).__name__} is none of images (an '
            'ImgDataPreprocessor): what it does cannot go into the graph'
        )
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if found._enable_normalize:
        mean, std = _three(found.mean), _three(found.std)
    divisor = found.pad_size_divisor
    if hasattr(found, 'test_cfg'):  # mmseg's, which pads in tests by this alone
        divisor = (found.test_cfg or {}).get('size_divisor')
    # OpenMMLab's loaders read BGR, and the config says whether it is turned.
    return Normalisation(mean, std, found._channel_conversion, int(divisor or 1))


def _three(values: Tensor) -> tuple[float, ...]:
    return tuple(values.float().flatten().expand(3).tolist())
