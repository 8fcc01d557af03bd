"""``run_search`` and ``reconsider``: what ``nasvit-mm search`` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasvit_mm.apis.common import AnyConfig, bounded, run_config
from nasvit_mm.building import plain_files
from nasvit_mm.runtime import (
    PlainConsole,
    config_name,
    disk_errors,
    enable_tensorboard,
    is_first,
    read_config,
)
from nasvit_mm.search import (
    Clock,
    Known,
    OverRanks,
    Reconsidered,
    Scalars,
    Search,
    SearchBar,
    begin_with,
    build_visualizer,
    chosen_backend,
    described,
    device_words,
    export_command,
    forecast_words,
    front_table,
    last_words,
    open_archive,
    read_search,
    search,
    write_as_run,
    write_report,
)


@plain_files()
def run_search(
    cfg: AnyConfig,
    work_dir: str | Path | None = None,
    resume: bool = False,
    workers: int = 1,
    *,
    dask: str | None = None,
    skip_data_check: bool = False,
    time_limit: float | None = None,
    options: Mapping[str, Any] | None = None,
    quiet: bool = False,
    low: Mapping[str, float] | None = None,
    high: Mapping[str, float] | None = None,
    known: str | Path | None = None,
    tensorboard: bool = False,
) -> Search:
    """Search architectures for a task, under the cost of the whole dense model.

    Args:
        cfg: as those of ``configs/search/``, see :func:`nasvit_mm.search.read_search`.
        work_dir: where the archive and the report go (of a file ``work_dirs/<its name>``).
        resume: resume the archive in the work dir: nothing that was evaluated is evaluated
            again; none yet: a fresh start.
        workers: processes of this machine that evaluate; 1: this one.
        dask: address of a Dask scheduler whose workers evaluate, ``'tcp://HOST:PORT'``, or
            ``'tls://HOST:PORT'`` with the certificates of Dask's configuration.
        skip_data_check: do not look at what the evaluators' images and annotations hold.
        time_limit: seconds that a candidate may take; None: what the config says, an hour.
        options: overrides by dotted key: ``{'algorithm.generations': 4}``.
        quiet: show nothing: no progress bar, no table of the front.
        low, high: bounds beside those of the config, or instead of them: ``{'macs': 3e9}``.
        known: work dir of an earlier search by the same evaluator: what it has measured is not
            measured again, and the search begins with the config's ``initial``, its front under
            these bounds, and candidates of the ranges that nobody has looked at.
        tensorboard: log best values, front and hypervolume of each generation for TensorBoard, in
            addition to the backends of the config's ``visualizer``.

    Raises:
        UsageError: a mistake in the config or the evaluator, an archive of another search, or one
            that is there without ``resume``.
    """
    cfg = bounded(run_config(cfg, options, work_dir), low, high)
    if time_limit is not None:
        cfg.time_limit = time_limit
    if tensorboard:
        enable_tensorboard(cfg)
    plan, earlier = read_search(cfg, cfg.filename), None
    if known is not None:
        earlier = Known(known, plan)
        plan = begin_with(cfg, plan, earlier)
    # Of workers on other machines the data may be there alone.
    if not skip_data_check and dask is None and is_first():
        for spec in plan.evaluators:
            spec.check_images(cfg.work_dir)
    with disk_errors(cfg.work_dir), chosen_backend(cfg, workers, dask, plan.time_limit) as where:
        console = PlainConsole(quiet=quiet or not is_first())  # known once the launcher has spoken
        archive = open_archive(cfg, plan, resume, where)
        if archive.lines:
            console.print(f'{len(archive.lines)} candidates are in {archive.path} already')
        as_run = write_as_run(cfg, plan) if is_first() else None
        timed = plan.evaluators and is_first()
        clock = Clock(cfg.work_dir, len(archive.lines), device_words(dask)) if timed else None
        scalars = None
        if cfg.get('visualizer') and is_first():
            visualizer = build_visualizer(cfg, cfg.visualizer, cfg.work_dir)
            scalars = Scalars(visualizer, len(archive.lines))
        with SearchBar(plan, console, clock, scalars) as bar:
            records = search(
                plan.problem,
                plan.algorithm,
                archive,
                plan.evaluators,
                where,
                bar,
                earlier,
                plan.halving,
            )
        ended = records[-1]['generation'] + 1
        if ended < plan.algorithm.generations:
            console.print(
                f'After generation {ended} of {plan.algorithm.generations} no new '
                'candidates were found within the constraints.'
            )
        found = Search(Path(cfg.work_dir), plan.identity, records)
        if is_first():
            forecasts = plan.algorithm.forecasts
            best, title = found.front(), f'{config_name(cfg)}: {plan.problem.space.name}'
            export = export_command(as_run or cfg.filename, plan, cfg.work_dir)
            written = write_report(
                cfg.work_dir,
                plan.problem,
                records,
                best,
                title,
                plan.identity,
                forecasts,
                described(plan.problem, cfg.work_dir),
                export,
            )
            console.print(front_table(plan.problem, best))
            for line in forecast_words(forecasts):
                console.print(line, markup=False)
            console.print('\n'.join(map(str, [archive.path, *written])))
            for line in last_words(plan.problem, records, best, export):
                console.print(line, markup=False, soft_wrap=True)
        if isinstance(where, OverRanks):
            where.meet('end')  # the store lives in one of them
    return found


def reconsider(
    cfg: AnyConfig,
    known: str | Path,
    *,
    low: Mapping[str, float] | None = None,
    high: Mapping[str, float] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Reconsidered:
    """Look at an earlier search under other bounds, without evaluating anything.

    Args:
        cfg: of the search.
        known: work dir of the earlier one.
        low, high: bounds beside those of the config, or instead of them: ``{'macs': 3e9}``.
        options: overrides of the config by dotted key.

    Returns:
        The candidates within the bounds, the front of these, and the parts of the costs' ranges
        that nobody has looked at.

    Raises:
        UsageError: as of :func:`run_search`.
    """
    cfg = bounded(read_config(cfg, options), low, high)
    plan = read_search(cfg, cfg.filename)
    return Known(known, plan).under(plan.problem)
