"""``deploy``: what ``nasvit-mm deploy`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasvit_mm.apis.common import AnyConfig
from nasvit_mm.building import building, plain_files
from nasvit_mm.checkpoints import check_checkpoint_exists, weights_only
from nasvit_mm.dense import input_size, standalone
from nasvit_mm.deploy import Artefact, make_artefact
from nasvit_mm.runtime import check_folder, check_has_model, config_name, disk_errors, read_config


@plain_files()
def deploy(
    cfg: AnyConfig,
    weights: str | Path,
    out: str | Path,
    *,
    to: str,
    shape: int | Sequence[int] | None = None,
    precision: str = 'fp32',
    num_calibration: int = 128,
    keep_float: Sequence[str] = (),
    max_drop: float | None = None,
    batch: int | None = 1,
    dynamic: bool = False,
    logits: bool = False,
    force: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Artefact:
    """Make an artefact of a trained model, and compare it with the model.

    Args:
        cfg: of a segmentor, a detector or a classifier; of a supernet the model in it.
        weights: checkpoint that fits it.
        out: folder to write.
        to: runtime: ``'onnx'``, ``'openvino'``, ``'litert'`` or ``'torch'``.
        shape: side or (height, width) in pixels of the images that the graph takes; None: as of
            :func:`input_size`.
        precision: ``'fp32'``, ``'bf16'`` or ``'int8'``.
        num_calibration: training images by which int8 ranges are chosen, and validation images at
            most by which ``max_drop`` is measured.
        keep_float: names of the graph's operations that stay in float in int8.
        max_drop: of the metric of validation images, in its own units: operations are left in
            float, those whose int8 form costs most first, until int8 loses no more.
        batch: images at once; None: any number.
        dynamic: of a segmentor of convolutions, take images of any multiples of 32; ``shape`` is
            then that of the images by which it is compared.
        logits: of a segmentor, give logits instead of a label map.
        force: write over another artefact.
        options: overrides by dotted key, as of :func:`train`.

    Raises:
        UsageError: the model has no such form, the weights do not fit, a package is missing, or
            the folder holds something else.
    """
    cfg = standalone(read_config(cfg, options))
    check_has_model(cfg)
    check_checkpoint_exists(str(weights))
    check_folder(out, '--out')
    with building(cfg), disk_errors(str(out)), weights_only():
        return make_artefact(
            cfg,
            str(weights),
            out,
            to,
            input_size(cfg, shape),
            name=config_name(cfg),
            precision=precision,
            num_calibration=num_calibration,
            batch=batch,
            dynamic=dynamic,
            logits=logits,
            keep_float=tuple(keep_float),
            max_drop=max_drop,
            force=force,
        )
