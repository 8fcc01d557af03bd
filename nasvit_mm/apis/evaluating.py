"""``evaluate``: what ``nasvit-mm test`` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasvit_mm.apis.common import AnyConfig, build_runner, run_config
from nasvit_mm.building import building, plain_files
from nasvit_mm.checkpoints import check_checkpoint_exists, weights_only
from nasvit_mm.config import type_name
from nasvit_mm.data import check_contents, check_data, predict_unlabelled
from nasvit_mm.dense import load_weights, write_results
from nasvit_mm.deploy import DESCRIPTION, Artefact, ArtefactModel, record
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import (
    augment_tests,
    check_folder,
    check_has_model,
    config_name,
    disk_errors,
    is_first,
    show_predictions,
    start_processes,
    without_moving_average,
)


@plain_files()
def evaluate(
    cfg: AnyConfig,
    weights: str | Path,
    *,
    work_dir: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    show: bool = False,
    show_dir: str | Path | None = None,
    wait_time: float = 2.0,
    tta: bool = False,
    skip_data_check: bool = False,
) -> dict[str, float]:
    """Evaluate a checkpoint on the test data of a config.

    Args:
        cfg: of a segmentor, a detector, a classifier or a supernet.
        weights: checkpoint, a file or a URL, or the folder of an artefact, whose own runtime then
            predicts; unlike in OpenMMLab a checkpoint that does not fit the model
            is an error.
        work_dir, options: as of :func:`train`.
        out: folder for the predicted label maps, or of a detector for its boxes and masks in COCO's
            JSON.
        show: show predictions in windows, each ``wait_time`` seconds.
        show_dir: draw annotation | prediction of every image to ``SHOW_DIR/vis_data/vis_image``.
        tta: test-time augmentation, as the config says.
        skip_data_check: as of :func:`train`.

    Returns:
        The metrics by name: ``{'aAcc': 71.2, 'mIoU': 38.3, ...}`` in percent for a
        segmentor.

    Raises:
        UsageError: as of :func:`train`.
    """
    cfg, weights = run_config(cfg, options, work_dir), str(weights)
    check_has_model(cfg)
    artefact = Path(weights, DESCRIPTION).is_file()
    if artefact and tta and 'label_map' in Artefact.load(weights).outputs:
        raise UsageError(
            '--tta adds up the logits of several forms of an image, and the artefact gives label '
            'maps: leave --tta out, or give the checkpoint'
        )
    if not Path(weights).is_dir():
        check_checkpoint_exists(weights)
    if out:
        predict_unlabelled(cfg)
    for folder, option in ((out, '--out'), (show_dir, '--show-dir')):
        if folder:
            check_folder(folder, option)
    check_data(cfg, 'test')
    check_contents(cfg, 'test', skip=skip_data_check)
    if type_name(cfg.model) == 'Supernet':
        cfg.model.teachers = cfg.model.teacher = None  # only training asks them
    without_moving_average(cfg)
    if out:
        write_results(cfg, str(out))  # as the config's model has results, also of an artefact of it
    if artefact:
        cfg.model = dict(type=f'nasvit_mm.{ArtefactModel.__name__}', folder=weights)
        cfg.data_preprocessor = None  # the graph has it
    if show or show_dir:
        show_predictions(cfg, show, show_dir, wait_time)
    if tta:
        augment_tests(cfg)
    cfg.load_from, cfg.resume = None, False
    start_processes(cfg)

    with building(cfg), disk_errors(cfg.work_dir), weights_only():
        runner = build_runner(cfg)
        if not artefact:
            load_weights(runner.model, weights, cfg)
        found = runner.test()
    if artefact and is_first():
        record(
            Artefact.load(weights),
            dict(metric={k: float(v) for k, v in found.items()}, metric_of=config_name(cfg)),
        )
    if show_dir:
        runner.logger.info(f'images: {Path(show_dir, "vis_data", "vis_image")}')
    return found
