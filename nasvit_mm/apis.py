"""The verbs from Python: train, evaluate, run a search, export, count::

    from nasvit_mm.apis import evaluate, export, run_search, train

    config = 'configs/search/nasvit_ade20k_5g.py'
    search = run_search(config, work_dir='work_dirs/found')
    search.best()                                      # the record of a candidate
    export(config, 'work_dirs/winner', work_dir='work_dirs/found', from_scratch=True)
    train('work_dirs/winner/config.py')
    evaluate('work_dirs/winner/config.py', 'work_dirs/winner/train/iter_160000.pth')

Each is what the command of its name does.  A config is a file, a mapping, or what mmengine made of
one, and stays as it is.  A mistake is a :class:`~nasvit_mm.errors.UsageError` with one sentence.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from nasvit_mm.building import building, plain_files
from nasvit_mm.checkpoints import check_checkpoint_exists, read_checkpoint, weights_only
from nasvit_mm.compat import check_operations
from nasvit_mm.config import add_own_hooks, plain_types, type_name
from nasvit_mm.data import check_contents, check_data, predict_unlabelled
from nasvit_mm.dense import (
    check_backbone_fits,
    check_channels,
    check_checkpoint_fits,
    check_model,
    check_pretrained,
    count,
    input_size,
    load_weights,
    standalone,
    use_pretrained,
    warn_of_nothing,
    write_results,
)
from nasvit_mm.deploy import DESCRIPTION, Artefact, ArtefactModel, Predictor, make_artefact, record
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import (
    PlainConsole,
    RefitSchedule,
    RegroupOptimizer,
    StopAtNaN,
    augment_tests,
    check_epochs,
    check_folder,
    check_has_model,
    check_resumed,
    check_schedule,
    check_trains,
    checkpoint_to_resume,
    config_name,
    differences_table,
    differing_processes,
    disk_errors,
    enable_amp,
    enable_auto_scale_lr,
    enable_tensorboard,
    group_parameters,
    handed_over,
    hide_debug_prints,
    is_first,
    keep_checkpoints_whole,
    locked,
    pin_loaders,
    read_config,
    short_console,
    show_predictions,
    start_processes,
    warn_of_unmatched,
    warn_of_values,
    whole_files,
    without_moving_average,
)
from nasvit_mm.search import (
    Clock,
    Exported,
    Known,
    OverRanks,
    Reconsidered,
    Search,
    SearchBar,
    check_images,
    choose,
    chosen_backend,
    described,
    export_choice,
    forecast_words,
    front_table,
    open_archive,
    read_search,
    search,
    with_bounds,
    write_report,
)
from nasvit_mm.supernet import make_supernet
from nasvit_mm.teacher import take_teacher

__all__ = [
    'Predictor',
    'Search',
    'check_model',
    'count',
    'deploy',
    'evaluate',
    'export',
    'input_size',
    'make_supernet',
    'read_config',
    'reconsider',
    'run_search',
    'train',
]

AnyConfig = str | Path | Config | Mapping[str, Any]
_RUNS = itertools.count()  # of this process
hide_debug_prints()


# ---------------------------------------------------------------------- training
@plain_files()
def train(
    cfg: AnyConfig,
    resume: bool | str | Path | None = None,
    *,
    work_dir: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    pretrained: str | Path | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    tensorboard: bool = False,
    skip_data_check: bool = False,
    fit_schedule: bool = False,
) -> Runner:
    """Train the model of a config.

    Args:
        cfg: of a segmentor, a detector, a classifier or a supernet.
        resume: a checkpoint to resume from; True or ``'auto'``: the newest in the work dir, and a
            fresh start where there is none.
        work_dir: where logs and checkpoints go (of a file ``work_dirs/<its name>``).
        options: overrides by dotted key: ``{'train_cfg.max_iters': 100}``.
        pretrained: weights that the backbone begins with, whatever the config says: a checkpoint of
            this network or of a supernet of its space, ours or the authors', or the name of a model
            whose weights timm has; see ``docs/weights.md``.
        amp: mixed precision; needs a GPU.
        auto_scale_lr: scale the learning rate by the batch size over the config's
            ``base_batch_size``.
        tensorboard: also log for TensorBoard.
        skip_data_check: do not look at what annotations and masks hold.
        fit_schedule: scale warm-up, milestones and ends of the schedule to the length of training.

    Returns:
        mmengine's runner, with the trained ``model``.

    Raises:
        UsageError: a mistake in the config, the data or a checkpoint, before the model is built
            where it can be seen by then; no space left to write.
    """
    cfg = _run_config(cfg, options, work_dir, fit_schedule)
    check_has_model(cfg)
    check_trains(cfg)
    if pretrained is not None:
        use_pretrained(cfg, str(pretrained))
    take_teacher(cfg)
    check_schedule(cfg)
    warn_of_values(cfg)
    check_operations(cfg)
    if amp:
        enable_amp(cfg)
    if auto_scale_lr:
        enable_auto_scale_lr(cfg)
    if tensorboard:
        enable_tensorboard(cfg)

    if resume is None and cfg.get('resume'):
        resume = cfg.get('load_from') or True
    cfg.resume = False  # by which mmengine would follow its pointer, wherever it leads
    if resume in (True, 'auto'):
        resume = checkpoint_to_resume(cfg.work_dir)
    if resume:
        resume, checkpoint = str(resume), read_checkpoint(resume)
        differing = check_resumed(cfg, resume, checkpoint, fit_schedule)
        cfg.load_from, cfg.resume = resume, True
    elif cfg.get('load_from'):
        check_checkpoint_exists(cfg.load_from)
    add_own_hooks(cfg)
    keep_checkpoints_whole(cfg)
    check_pretrained(cfg)
    check_data(cfg, 'train', 'val')
    check_contents(cfg, 'train', 'val', skip=skip_data_check)
    start_processes(cfg)

    with (
        building(cfg),
        disk_errors(cfg.work_dir),
        locked(cfg.work_dir),
        weights_only(),
        whole_files(),
        ExitStack() as handing,
    ):
        runner = _runner(cfg)
        warn_of_unmatched(cfg, runner.model)
        check_epochs(runner, fit_schedule)
        group_parameters(runner)
        runner.register_hook(StopAtNaN())
        if resume:
            runner.register_hook(RegroupOptimizer())
            check_checkpoint_fits(runner.model, resume, cfg, checkpoint=checkpoint)
            differing += differing_processes(checkpoint.meta)
            if differing:
                runner.logger.warning(differences_table(differing, resume, fit_schedule))
            if fit_schedule and cfg.get('param_scheduler'):
                runner.register_hook(RefitSchedule(runner.cfg.param_scheduler))
            handing.enter_context(handed_over(resume, checkpoint))
            del checkpoint  # a training needs the memory
        elif cfg.get('load_from'):
            check_backbone_fits(runner.model, cfg.load_from, cfg)
        else:
            warn_of_nothing(cfg, lambda: len(runner.train_dataloader.dataset))
        runner.train()
    return runner


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
    cfg, weights = _run_config(cfg, options, work_dir), str(weights)
    check_has_model(cfg)
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
    artefact = Path(weights, DESCRIPTION).is_file()
    if artefact:
        cfg.model = dict(type=f'nasvit_mm.{ArtefactModel.__name__}', folder=weights)
        cfg.data_preprocessor = None  # the graph has it
    if show or show_dir:
        show_predictions(cfg, show, show_dir, wait_time)
    if tta:
        augment_tests(cfg)
    if out:
        write_results(cfg, str(out))
    cfg.load_from, cfg.resume = None, False
    start_processes(cfg)

    with building(cfg), disk_errors(cfg.work_dir), weights_only():
        runner = _runner(cfg)
        if not artefact:
            load_weights(runner.model, weights, cfg)
        found = runner.test()
    if artefact and is_first():
        record(
            Artefact.load(weights),
            dict(metric={k: float(v) for k, v in found.items()}, metric_of=config_name(cfg)),
        )
    if show_dir:
        runner.logger.info(f'pictures: {Path(show_dir, "vis_data", "vis_image")}')
    return found


def _run_config(
    cfg: AnyConfig,
    options: Mapping[str, Any] | None,
    work_dir: str | Path | None,
    fit: bool = False,
) -> Config:
    cfg = read_config(cfg, options, work_dir, fit=fit)
    if not cfg.get('work_dir'):
        raise UsageError('the config is of no file and has no work_dir: give work_dir')
    check_folder(cfg.work_dir, 'work dir')
    return cfg


def _runner(cfg: Config) -> Runner:
    pin_loaders(cfg)
    number = next(_RUNS)
    if (
        number
    ):  # by an old name, which has the second in it, mmengine would give the last run's again
        name = cfg.get('experiment_name') or Path(cfg.filename or 'run').stem
        cfg.experiment_name = f'{name}_{number}'
        if cfg.get('visualizer'):
            cfg.visualizer.name = f'{cfg.visualizer.get("name", "visualizer")}_{number}'
    with short_console():
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    log = Path(runner.log_dir, f'{runner.timestamp}.log')
    runner.logger.info(f'environment, config, hooks and options of parameters: {log}')
    check_channels(runner.model)
    return runner


# ---------------------------------------------------------------------- searching
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
            measured again, and the search begins with its front under these bounds.

    Raises:
        UsageError: a mistake in the config or the evaluator, an archive of another search, or one
            that is there without ``resume``.
    """
    cfg = _bounded(_run_config(cfg, options, work_dir), low, high)
    if time_limit is not None:
        cfg.time_limit = time_limit
    plan, earlier = read_search(cfg, cfg.filename), None
    if known is not None:
        earlier = Known(known, plan)
        best = earlier.under(plan.problem).front
        cfg.initial = [record['arch'] for record in best[: plan.algorithm.population]]
        plan = read_search(cfg, cfg.filename)
    # Of workers on other machines the data may be there alone.
    if not skip_data_check and dask is None and is_first():
        for spec in plan.evaluators:
            check_images(dict(type=spec.type, **spec.options), cfg.work_dir)
    with disk_errors(cfg.work_dir), chosen_backend(cfg, workers, dask, plan.time_limit) as where:
        console = PlainConsole(quiet=quiet or not is_first())  # known once the launcher has spoken
        archive = open_archive(cfg, plan, resume, where)
        if archive.lines:
            console.print(f'{len(archive.lines)} candidates are in {archive.path} already')
        timed = plan.evaluators and is_first()
        clock = Clock(cfg.work_dir, len(archive.lines)) if timed else None
        with SearchBar(plan, console, clock) as bar:
            records = search(
                plan.problem, plan.algorithm, archive, plan.evaluators, where, bar, earlier
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
            written = write_report(
                cfg.work_dir,
                plan.problem,
                records,
                best,
                title,
                plan.identity,
                forecasts,
                described(plan.problem, cfg.work_dir),
                f'nasvit-mm export {cfg.filename} --work-dir {cfg.work_dir}'
                if cfg.filename
                else '',
            )
            console.print(front_table(plan.problem, best))
            for line in forecast_words(forecasts):
                console.print(line, markup=False)
            console.print('\n'.join(map(str, [archive.path, *written])))
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
    cfg = _bounded(read_config(cfg, options), low, high)
    plan = read_search(cfg, cfg.filename)
    return Known(known, plan).under(plan.problem)


def _bounded(
    cfg: Config, low: Mapping[str, float] | None, high: Mapping[str, float] | None
) -> Config:
    if low or high:
        given = plain_types(cfg.get('constraints') or [])
        cfg.constraints = with_bounds([given] if isinstance(given, dict) else given, low, high)
    return cfg


# ---------------------------------------------------------------------- handing over
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
    cfg = _run_config(cfg, options, work_dir)
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
