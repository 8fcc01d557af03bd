"""All of it: from a folder of data to an artefact, its metric and its latency, in one work dir."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nasvit_mm.auto.chain import Chain, Step
from nasvit_mm.auto.classifier import export_classifier
from nasvit_mm.auto.journey import Journey, Target
from nasvit_mm.auto.measure import measure_step
from nasvit_mm.auto.page import PAGE, About, write_page
from nasvit_mm.building import read_file
from nasvit_mm.deploy import get_runtime
from nasvit_mm.errors import UsageError, check_number, shown_path
from nasvit_mm.files import write_text
from nasvit_mm.own_data import (
    METRICS,
    SHEET,
    SHORT,
    Choices,
    described,
    in_time,
    new_task,
    write_configs,
)
from nasvit_mm.search import read_search

PLAN = 'auto.json'
TABLE_NETWORKS = (8, 24)  # by which a latency table is fitted: in less than an hour, and in more
UNITS = {'macs': (1e9, 'GMACs'), 'latency': (1.0, 'ms')}


@dataclass(frozen=True)
class Wish:
    """What the user asks for.

    Attributes:
        data: folder.
        task: ``'seg'``, ``'det'`` or ``'cls'``.
        high: the budget: ``{'macs': 2e9}`` or ``{'latency': 20.0}`` (milliseconds).
        runtime: that deploys.
        precision: ``'fp32'``, ``'bf16'`` or ``'int8'``.
        hours: for everything.
        threads: of the CPU that latency is measured on.
        reading: how the data are read, as of :func:`nasvit_mm.own_data.new_task`.
        pretrained: weights that the supernet begins with; None: from scratch.
    """

    data: str
    task: str
    high: Mapping[str, float]
    runtime: str
    precision: str
    hours: float
    threads: int
    reading: Mapping[str, Any]
    pretrained: str | None = None


def default_runtime() -> str:
    """Return the first of the runtimes that are installed."""
    for name, module in (('openvino', 'openvino'), ('onnx', 'onnxruntime')):
        if find_spec(module):
            return name
    return 'torch'


def run_auto(wish: Wish, work_dir: str | Path, say: Callable[[Any], Any] = print) -> Path:
    """Do all steps, those that are done apart; return the page.

    Args:
        say: is told what was found and chosen, line by line.

    Raises:
        UsageError: a mistake in the data, a budget that no network meets, a work dir of another
            wish.
    """
    work = Path(work_dir).expanduser().absolute()
    _check_wish(wish)
    _check_work_dir(work, wish)
    by_latency = 'latency' in wish.high
    chain = Chain(work, Path.cwd(), 9 + by_latency)
    command = ('new', wish.data, '--task', wish.task)
    title = f'reading {wish.data}, and choosing sizes and lengths'
    chain.run(Step('task', title, command, work / PLAN, lambda: _prepare(work, wish, say)))
    choices = _choices(work)
    if by_latency:
        chain.run(_table_step(wish, work))
    _check_budget(work, wish)
    journey = _journey(wish, work, choices)
    about = About(
        asked_for(wish),
        choices.reasons,
        METRICS[wish.task],
        work / 'task' / SHEET,
        ('# a longer training is what helps most', 'nasvit-mm auto ... --hours 12 --work-dir new'),
    )
    target = Target(wish.runtime, wish.precision, choices.input_size, wish.threads)
    return finish(chain, journey, about, target)


def finish(chain: Chain, journey: Journey, about: About, target: Target) -> Path:
    """Train and search, deploy the winner and measure the artefact; return the page of it.

    Args:
        about: what the page says besides results.
        target: what the artefact is for.
    """
    for step in journey.steps():
        chain.run(step)
    for step in journey.deployment(target):  # its checkpoint is there now
        chain.run(step)
    page = journey.work_dir / PAGE

    def write() -> None:
        write_page(journey, about, chain.done)

    chain.run(Step('page', f'writing {page}', (), page, write))
    return page


def _prepare(work: Path, wish: Wish, say: Callable[[Any], Any]) -> None:
    """Write the task's configs, set to what fits into the time on this machine."""
    made = new_task(
        wish.data,
        wish.task,
        work / 'task',
        work=work,
        high=wish.high,
        force=True,
        say=say,
        **wish.reading,
    )
    for shown in described(made):
        say(shown)
    took = measure_step(made.folder / 'supernet.py')
    choices = in_time(made.choices, made.laid, wish.hours, took.step, took.forward)
    write_configs(made, choices, work)
    for line in choices.reasons:
        say(line)
    plan = dict(wish=asdict(wish), choices=asdict(choices), classes=made.laid.classes)
    write_text(work / PLAN, json.dumps(plan, indent=1) + '\n')


def _check_budget(work: Path, wish: Wish) -> None:
    """Check, before anything is trained, that networks meet the budget.

    Raises:
        UsageError: names the range that they reach.
    """
    cfg = read_file(work / 'task' / 'search.py')
    try:
        read_search(cfg, cfg.filename)
    except UsageError as error:
        (cost,) = wish.high
        raise UsageError(f'{error}. Give another --{cost}, in the same work dir') from error


def _choices(work: Path) -> Choices:
    content = json.loads((work / PLAN).read_text(encoding='utf-8'))['choices']
    return Choices(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})


def _check_wish(wish: Wish) -> None:
    (cost,) = wish.high
    if cost == 'latency' and wish.task == 'cls':
        raise UsageError(
            '--latency is of whole dense models, --task seg and det: give --macs for a classifier'
        )
    check_number('--hours', wish.hours, above=0)
    check_number(f'--{cost}', wish.high[cost], above=0)
    runtime = get_runtime(wish.runtime)
    runtime.check_precision(wish.precision)
    runtime.module()


def _check_work_dir(work: Path, wish: Wish) -> None:
    """Check that a work dir is new, or of the same wish, or that nothing was trained in it yet: its
    plan is then made anew.

    Raises:
        UsageError: names what differs.
    """
    if not (work / PLAN).is_file():
        return
    before = json.loads((work / PLAN).read_text(encoding='utf-8'))['wish']
    now = json.loads(json.dumps(asdict(wish)))
    differing = [
        f'{name} was {before.get(name)}, is {value}'
        for name, value in now.items()
        if before.get(name) != value
    ]
    if differing and not (work / 'supernet').exists():
        (work / PLAN).unlink()
    elif differing:
        raise UsageError(
            f'{shown_path(work)} is of another run ({"; ".join(differing)}): give another '
            '--work-dir, or the options of then'
        )


def asked_for(wish: Wish) -> dict[str, str]:
    """Return the wish in words."""
    (cost,) = wish.high
    factor, unit = UNITS[cost]
    return {
        'task': wish.task,
        'data': wish.data,
        cost: f'at most {wish.high[cost] / factor:g} {unit}',
        'hours': f'{wish.hours:g}',
    }


# ---------------------------------------------------------------------- the steps
def _table_step(wish: Wish, work: Path) -> Step:
    networks = TABLE_NETWORKS[wish.hours >= 1]
    table = work / 'latency.json'
    command = ('benchmark', str(work / 'task' / 'supernet.py'), '--build-table', str(table))
    command += ('--shape', *map(str, _choices(work).input_size), '--networks', str(networks))
    command += ('--runtime', wish.runtime, '--precision', wish.precision)
    command += ('--threads', str(wish.threads))
    title = f'measuring the blocks of the space by {wish.runtime}, {wish.threads} threads'
    # A search refuses the table of another task.
    return Step('latency', title, command, table, alone=True)


def _journey(wish: Wish, work: Path, choices: Choices) -> Journey:
    folder = work / 'task'
    by_epoch = wish.task == 'det'
    last = f'epoch_{choices.epochs[0]}.pth' if by_epoch else f'iter_{choices.steps[0]}.pth'
    lengths = [
        f'{epochs} epochs' if by_epoch else f'{steps} steps'
        for steps, epochs in zip(choices.steps, choices.epochs)
    ]
    (cost,) = wish.high
    factor, unit = UNITS[cost]
    number = choices.population * choices.generations
    export = None
    if wish.task == 'cls':
        export = partial(
            export_classifier,
            folder / 'search.py',
            folder / 'task.py',
            work / 'search',
            work / 'export',
        )
    return Journey(
        work,
        folder / 'supernet.py',
        folder / 'search.py',
        work / 'supernet' / last,
        dict(
            supernet=f'training the supernet, {lengths[0]}',
            search=f'searching {number} candidates of at most {wish.high[cost] / factor:g} {unit}',
            export='exporting the best of the front',
            train=f'fine-tuning it, {lengths[1]}',
            deploy=f'writing it for {wish.runtime}, {wish.precision}',
            test=f"that artefact's {SHORT[wish.task]} on test",
            benchmark=f"that artefact's latency, {wish.threads} threads",
        ),
        dict(supernet=('--pretrained', wish.pretrained) if wish.pretrained else ()),
        export,
    )
