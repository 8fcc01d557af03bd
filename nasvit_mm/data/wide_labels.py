"""Label maps of more than 8 bits: mmseg casts what it loads and writes, and 259 becomes 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nasvit_mm.errors import DataError
from nasvit_mm.files import replacing

IGNORED = 255  # what label 0 becomes under reduce_zero_label
LARGEST = 65535


def keep_wide_labels() -> None:
    """Have mmseg load and write label maps of 16 bits; those of 8 bits are as before.

    Configs name mmseg's ``LoadAnnotations`` and ``IoUMetric``, so these are changed in place.
    """
    try:
        from mmseg.datasets.transforms.loading import LoadAnnotations
        from mmseg.evaluation.metrics import IoUMetric
    except ImportError:
        return  # a classifier or a detector needs no mmseg
    LoadAnnotations._load_seg_map = _load_seg_map
    if not getattr(IoUMetric.process, 'wide', False):
        IoUMetric.process = _writing_wide(IoUMetric.process)


def _load_seg_map(self: Any, results: dict[str, Any]) -> None:
    """Read a label map as (H, W), uint8 or uint16, in place of mmseg's method.

    Raises:
        DataError: the file has more than one channel, a label that no class can have, or another
            size than its image; the loader and the data set differ on ``reduce_zero_label``.
    """
    import mmcv
    from mmengine import fileio

    path, reduce = results['seg_map_path'], bool(results['reduce_zero_label'])
    if self.reduce_zero_label not in (None, reduce):
        raise DataError(
            f'LoadAnnotations has reduce_zero_label={self.reduce_zero_label}, the data set '
            f'reduce_zero_label={reduce}: give it to the data set alone'
        )
    content = fileio.get(path, backend_args=self.backend_args)
    labels = mmcv.imfrombytes(content, flag='unchanged', backend=self.imdecode_backend).squeeze()
    if labels.ndim != 2 or labels.min() < 0 or labels.max() > LARGEST:
        raise DataError(
            f'{path} holds values of shape {labels.shape}, {labels.min()} to {labels.max()}; a '
            f'label map has one channel of class numbers, 0 to {LARGEST}: write it again'
        )
    expected = results.get('ori_shape', labels.shape)[:2]
    if labels.shape != expected:
        raise DataError(
            f'{path} is {labels.shape[1]} x {labels.shape[0]}, its image {results.get("img_path")} '
            f'{expected[1]} x {expected[0]}: write the mask at the size of its image'
        )
    # 16 bits, which OpenCV resizes and warps, unlike 32.
    labels = labels.astype(np.uint8 if labels.max() <= 255 else np.uint16)
    if reduce:
        labels[labels == 0] = IGNORED
        labels = np.where(labels == IGNORED, labels, labels - 1)
    if results.get('label_map') is not None:
        read = labels.copy()
        for old, new in results['label_map'].items():
            labels[read == old] = new
    results['gt_seg_map'] = labels
    results['seg_fields'].append('gt_seg_map')


def _writing_wide(process: Callable) -> Callable:
    """Return ``IoUMetric.process`` with label maps of more than 255 classes as PNG of 16 bits."""

    def process_wide(self: Any, data_batch: Any, data_samples: Sequence[Any]) -> None:
        folder = self.output_dir
        if folder is None or len(self.dataset_meta['classes']) <= IGNORED:
            process(self, data_batch, data_samples)
            return
        self.output_dir = None
        try:
            process(self, data_batch, data_samples)
        finally:
            self.output_dir = folder
        for sample in data_samples:
            labels = sample['pred_sem_seg']['data'].squeeze().cpu().numpy()
            labels = labels + bool(sample.get('reduce_zero_label'))  # as the files have them
            name = Path(sample['img_path']).with_suffix('.png').name
            with replacing(Path(folder, name)) as draft:
                Image.fromarray(labels.astype(np.uint16)).save(draft, format='PNG')

    process_wide.wide = True
    return process_wide
