"""An artefact as the model of a config, so that the config's own test gives its metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from PIL import Image
from torch import Tensor

from nasvit_mm.deploy.artefact import BOXES, CLASSES, STRETCH, Artefact, Fit
from nasvit_mm.deploy.graph import IMAGENET_MEAN, IMAGENET_STD
from nasvit_mm.deploy.predictor import fitted, in_image, open_artefact, ready_for, resized_labels
from nasvit_mm.errors import UsageError
from nasvit_mm.registry import MODELS


@MODELS.register_module()
class ArtefactModel(BaseModel):
    """Predict by an artefact's own runtime what mmseg, mmdet or the classifier's metric takes.

    Images come as the config's test pipeline makes them, those of another size are brought to the
    artefact's; predictions go back to the size of the images in their files.

    Args:
        folder: the artefact; the description of one, without files, runs by the function that the
            attribute ``run`` is set to.
        threads: of the CPU; None: all that this process may use.
        device: as the runtime names it.

    Raises:
        UsageError: no artefact, or its runtime is missing.
    """

    def __init__(
        self, folder: str | Artefact, threads: int | None = None, device: str = 'cpu'
    ) -> None:
        super().__init__(BaseDataPreprocessor())
        if isinstance(folder, Artefact):
            self.artefact = folder
        else:
            self.artefact = Artefact.load(folder)
            self.run = open_artefact(self.artefact, threads, device).run
        if 'logits' in self.artefact.outputs:
            raise UsageError(f'{folder} gives logits, which no metric takes: deploy a label map')

    def forward(
        self,
        inputs: Sequence[Tensor],
        data_samples: Sequence[Any] | None = None,
        labels: Tensor | None = None,
        mode: str = 'predict',
    ) -> list[Any]:
        """Return predictions in the ``data_samples``, or for a classifier a dict an image."""
        if mode != 'predict':
            raise UsageError('an artefact predicts; it is not trained')
        if self.artefact.task == CLASSES:
            scores = [self._run(_image(x, normalised=True))[0]['scores'].copy() for x in inputs]
            return [
                dict(scores=torch.from_numpy(s), **({} if labels is None else dict(label=int(k))))
                for s, k in zip(scores, [None] * len(scores) if labels is None else labels)
            ]
        for x, sample in zip(inputs, data_samples, strict=True):
            found, size, scale = self._run(_image(x))
            if self.artefact.task == BOXES:
                self._set_boxes(sample, found, scale)
            else:
                self._set_labels(sample, found, size, scale)
        return list(data_samples)

    def _run(self, image: Image.Image) -> tuple[dict[str, np.ndarray], Any, Any]:
        about = self.artefact
        if about.task == CLASSES:  # the pipeline has cropped it
            ready, scale = fitted(image, about.size, Fit(STRETCH), about.fill)
        else:
            ready, scale = ready_for(about, image)
        found = self.run(np.repeat(ready[None], about.batch or 1, 0))
        return {name: value[0] for name, value in found.items()}, image.size, scale

    def _set_labels(self, sample: Any, found: Mapping, size: Any, scale: Any) -> None:
        from mmengine.structures import PixelData

        height, width = sample.ori_shape[:2]
        whole = (scale[0] * size[0] / width, scale[1] * size[1] / height)
        labels = resized_labels(found['label_map'], (width, height), whole)
        sample.pred_sem_seg = PixelData(data=torch.from_numpy(labels.astype(np.int64))[None])

    def _set_boxes(self, sample: Any, found: Mapping, scale: Any) -> None:
        from mmengine.structures import InstanceData

        height, width = sample.ori_shape[:2]
        whole = tuple(a * b for a, b in zip(scale, sample.scale_factor))
        seen = in_image(found, self.artefact.outputs, (width, height), whole)
        sample.pred_instances = InstanceData(
            bboxes=torch.from_numpy(seen.boxes),
            scores=torch.from_numpy(seen.scores),
            labels=torch.from_numpy(seen.labels.astype(np.int64)),
        )
        if hasattr(seen, 'masks'):
            sample.pred_instances.masks = torch.from_numpy(seen.masks)


def _image(x: Tensor, normalised: bool = False) -> Image.Image:
    """Return an image of a pipeline, (3, H, W): BGR of uint8, or RGB that was normalised."""
    if normalised:
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        x = (x.cpu() * std + mean).round().clamp(0, 255)
    else:
        x = x.flip(0)
    return Image.fromarray(x.to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
