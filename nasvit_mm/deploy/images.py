"""Images of a config's data as a graph takes them, by which it is calibrated and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from nasvit_mm.config import type_name
from nasvit_mm.deploy.artefact import BOXES, CLASSES, CROP, PAD, STRETCH, Fit
from nasvit_mm.deploy.predictor import fitted, read_image
from nasvit_mm.errors import UsageError

COMPARED = 4  # images by which an artefact is compared with the model it is made of
TIMMS_SHARE = 0.875  # crop_pct where a transform names none


def spread(total: int, number: int) -> list[int]:
    """Return at most ``number`` of the indices below ``total``, evenly from the first to the last.

    A set is often in order (of drives, classes, days): its first images are not the set.
    """
    return np.linspace(0, total - 1, min(number, total)).round().astype(int).tolist()


def in_batches(images: np.ndarray, batch: int) -> np.ndarray:
    """Return images (n, H, W, 3) in full batches, (m, batch, H, W, 3), by beginning again where the
    last one is not full.
    """
    places = np.arange(-(-len(images) // batch) * batch) % len(images)
    return images[places].reshape(-1, batch, *images.shape[1:])


def fit_of(cfg: Config, task: str) -> Fit:
    """Return how images come to the input's size: as those of the test data do."""
    for dataset in _test_datasets(cfg):
        if task == CLASSES:
            options = dataset.get('transform') or {}
            if options.get('crop_mode', 'center') == 'center' and not options.get('is_training'):
                return Fit(CROP, float(options.get('crop_pct') or TIMMS_SHARE))
            return Fit(STRETCH)
        steps = dataset.get('pipeline') or ()
        ratio = any(type_name(step) == 'Resize' and step.get('keep_ratio') for step in steps)
        return Fit(PAD if task == BOXES and ratio else STRETCH)
    return Fit(STRETCH)


def _test_datasets(cfg: Config) -> Iterator[Mapping[str, Any]]:
    """Yield what says how the test images are read: the data set's config, at last the pipeline."""
    for loader in ('test_dataloader', 'val_dataloader'):
        dataset = (cfg.get(loader) or {}).get('dataset')
        while isinstance(dataset, Mapping):
            if dataset.get('pipeline') or dataset.get('transform'):
                yield dataset
            dataset = dataset.get('dataset')  # of one that wraps another
    if cfg.get('test_pipeline'):
        yield dict(pipeline=cfg.test_pipeline)


def calibration_images(
    cfg: Config,
    size: tuple[int, int],
    fit: Fit,
    fill: Sequence[int],
    number: int,
    needed: bool = True,
) -> np.ndarray:
    """Return training images at the input's size, uint8 (n, H, W, 3), spread over the set.

    Args:
        fit, fill: how images come to the size, see :class:`Artefact`.
        needed: False: where there is no training set a few images of noise serve.

    Raises:
        UsageError: they are needed, and the config's training set is not there.
    """
    files = training_files(cfg)
    if not files and needed:
        raise UsageError(
            '--int8 chooses its ranges by training images, and the train_dataloader of the config '
            'names none that are there: --cfg-options train_dataloader.dataset.data_root=DIR'
        )
    if not files:
        shape = (min(number, COMPARED), *size, 3)
        return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    chosen = (files[index] for index in spread(len(files), number))
    return np.stack([fitted(read_image(path), size, fit, fill)[0] for path in chosen])


def training_files(cfg: Config) -> list[str]:
    """Return the image files of a config's training set; none where it is not there."""
    dataset = (cfg.get('train_dataloader') or {}).get('dataset')
    if dataset is None:
        return []
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    try:
        built = DATASETS.build(dataset)
    except (OSError, UsageError):
        return []
    if hasattr(built, 'samples'):
        return [path for path, _ in built.samples]
    if hasattr(built, 'get_data_info'):
        return [built.get_data_info(i)['img_path'] for i in range(len(built))]
    return []
