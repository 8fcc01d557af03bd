"""``export``: what ``nasvit-mm export`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasvit_mm.apis.common import AnyConfig, run_config
from nasvit_mm.building import plain_files
from nasvit_mm.dense import input_size
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import check_folder, config_name
from nasvit_mm.search import Exported, choose, export_choice, read_search


@plain_files()
def export(
    cfg: AnyConfig,
    out: str | Path | None = None,
    *,
    candidate: int | None = None,
    best: str | None = None,
    arch: Any = None,
    checkpoint: str | Path | None = None,
    from_scratch: bool = False,
    num_calibration: int | None = None,
    phase: int | None = None,
    shape: int | Sequence[int] | None = None,
    force: bool = False,
    skip_data_check: bool = False,
    work_dir: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Exported:
    """Hand a searched backbone over to training: weights, architecture, config, model card.

    Args:
        cfg: the search's, with a task.
        out: folder to write; None: ``export_N`` in the search's work dir.
        candidate: number in the archive.
        best: the objective or constrained cost by which the front's best is chosen; None: the first
            objective.
        arch: an architecture instead, searched or not, in any form that ``Space.arch`` takes.
        checkpoint: of the supernet that weights are sliced out of; None: the search's.
        from_scratch: write no weights.
        num_calibration: batches of the task's training images for batch norms; 0: none; None: as
            many as the papers have, of a whole model as in the search.
        phase: of the weight sharing; None: the search's.
        shape: size at which the card's costs count, side or (height, width); None: the search's.
        force: write over an export of something else.
        skip_data_check: do not look at what images and annotations hold that calibrate and judge.
        work_dir: the search's.
        options: overrides of the search's config, as of :func:`run_search`.

    Returns:
        The files that were written, what their batch norms are, what was measured of a whole model.

    Raises:
        UsageError: a search without a task, no such candidate, objective or architecture, no
            supernet, or a folder that holds another export.
    """
    cfg = run_config(cfg, options, work_dir)
    if out is not None:
        check_folder(out, '--out')
    plan, name = read_search(cfg, cfg.filename), config_name(cfg)
    task = plan.problem.task
    if task is None:
        raise UsageError(
            f'{name} names no task, whose training the backbone would '
            'be handed to: give it by --cfg-options task=CONFIG'
        )
    if num_calibration is not None and num_calibration < 0:
        raise UsageError(f'--num-calibration {num_calibration}: expected at least 0')
    choice = choose(plan, cfg.work_dir, name, candidate=candidate, best=best, arch=arch)
    out = Path(cfg.work_dir, f'export_{choice.name}') if out is None else Path(out)
    size = input_size(task.cfg, shape) if shape else plan.problem.input_size
    return export_choice(
        plan,
        choice,
        out,
        size,
        checkpoint=None if checkpoint is None else str(checkpoint),
        from_scratch=from_scratch,
        num_calibration=num_calibration,
        phase=phase,
        force=force,
        checked_in=None if skip_data_check else cfg.work_dir,
    )
