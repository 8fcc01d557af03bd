"""Label maps of more than 8 bits: mmseg's loader casts them, and label 259 becomes class 3."""

from __future__ import annotations

from typing import Any

import numpy as np

from nasvit_mm.errors import DataError

IGNORED = 255  # what label 0 becomes under reduce_zero_label
LARGEST = 65535


def keep_wide_labels() -> None:
    """Have mmseg's ``LoadAnnotations`` keep labels of 16 bits; those of 8 bits are as before.

    mmseg's configs name that transform, so it is changed in place.
    """
    try:
        from mmseg.datasets.transforms.loading import LoadAnnotations
    except ImportError:
        return  # a classifier or a detector needs no mmseg
    LoadAnnotations._load_seg_map = _load_seg_map


def _load_seg_map(self: Any, results: dict[str, Any]) -> None:
    """Read a label map as (H, W), uint8 or uint16, in place of mmseg's method.

    Raises:
        DataError: the file has more than one channel, or a label that no class can have; the
            loader and the data set differ on ``reduce_zero_label``.
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
