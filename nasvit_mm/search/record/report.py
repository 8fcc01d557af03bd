"""What a search found: an image, a page that needs no network, a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from nasvit_mm.config import plain_types, type_name
from nasvit_mm.deploy import device_name
from nasvit_mm.files import replacing, write_errors
from nasvit_mm.search.algorithms import Forecast
from nasvit_mm.search.problem.feasible import Constraint
from nasvit_mm.search.problem.problem import Problem
from nasvit_mm.search.record.archive import TIMINGS
from nasvit_mm.search.record.drawing import CANDIDATE, Axis, draw_candidates
from nasvit_mm.search.record.front import in_units, is_measured, lost_words

TEMPLATE = Path(__file__).with_name('report.html')
SHOWN = 20  # lines of the table in the terminal

Records = Sequence[Mapping[str, Any]]


def write_report(
    folder: str | Path,
    problem: Problem,
    records: Records,
    best: Records,
    title: str,
    identity: Mapping[str, Any],
    forecasts: Sequence[Forecast] = (),
    about: Mapping[str, str] | None = None,
    command: str | None = None,
) -> list[Path]:
    """Write ``front.json``, ``front.png`` and ``report.html``; return their paths.

    Args:
        best: the :func:`front` of the records.
        forecasts: of an algorithm that predicts, see :class:`Algorithm`.
        about: what a reader wants to know of the search, see :func:`described`.
        command: that exports a candidate, its number apart; None: not known.

    Raises:
        WriteError: they cannot be written; earlier ones are unchanged.
    """
    written = [Path(folder, name) for name in ('front.json', 'front.png', 'report.html')]
    x, y = _axes(problem)
    data = dict(
        title=title,
        x=x,
        y=y,
        units={name: source.unit for name, source in problem.cost_sources.items()},
        counted=[name for name, source in problem.cost_sources.items() if source.axis[0] != 1],
        records=list(records),
        measured=[r['index'] for r in records if is_measured(r)],
        lost=lost_words(records),
        front=[r['index'] for r in best],
        objectives=[o._asdict() for o in problem.objectives],
        constraints=[_words(problem, c) for c in problem.constraints],
        bounds=[c._asdict() for c in problem.constraints],
        marks=_marks(problem),
        printed={r['index']: str(problem.space.arch(r['arch'])) for r in records},
        about=dict(about or {}),
        command=command or '',
        identity=identity,
        forecasts=[
            dict(
                generation=each.generation,
                metric=each.metric,
                predicted=each.predicted.tolist(),
                measured=each.measured.tolist(),
                tau=each.tau if math.isfinite(each.tau) else None,
            )
            for each in forecasts
        ],
    )
    text = json.dumps(data).replace('<', '\\u003c')  # no string may end the script, or hide it
    page = TEMPLATE.read_text(encoding='utf-8').replace('/*DATA*/', text)
    writers = (
        lambda draft: draft.write_text(json.dumps(best, indent=1) + '\n', encoding='utf-8'),
        lambda draft: _draw(draft, problem, records, best, x, y, title),
        lambda draft: draft.write_text(page, encoding='utf-8'),
    )
    with ExitStack() as stack:  # all are written before the first replaces an earlier one
        for path, write in zip(written, writers, strict=True):
            draft = stack.enter_context(replacing(path))
            with write_errors(path):
                write(draft)
    return written


def _words(problem: Problem, constraint: Constraint) -> str:
    """Return a constraint as a reader has it: ``macs at most 5.000 GMACs``."""
    bounds = (('least', constraint.low), ('most', constraint.high))
    parts = [
        f'at {word} {in_units(problem, constraint.metric, bound)}'
        for word, bound in bounds
        if bound is not None
    ]
    return f'{constraint.metric} {" and ".join(parts)}'


def _marks(problem: Problem) -> list[dict[str, Any]]:
    """Return the costs of the smallest and the largest network, and of the task's present one."""
    space = problem.space
    archs = {'smallest': space.smallest, 'largest': space.largest}
    backbone = plain_types(problem.task.cfg.model.backbone) if problem.task else {}
    present = backbone.get('arch')
    if present is not None and present in space:
        archs["the task's own"] = space.arch(present)
    costs = problem.costs(space.genes(list(archs.values())))
    return [
        dict(name=name, costs={metric: values[i].item() for metric, values in costs.items()})
        for i, name in enumerate(archs)
    ]


def described(problem: Problem, folder: str | Path) -> dict[str, str]:
    """Return what a search was for, where and when it ran, in words, by their subject.

    Args:
        folder: its work dir, whose ``timings.jsonl`` says where, when and how long candidates were
            evaluated; of an earlier version it says only how long.
    """
    out = dict(space=f'{problem.space.name}, {problem.space.num_architectures:.3g} architectures')
    if problem.task is not None:
        model = problem.task.cfg.model
        head = model.get('decode_head') or model.get('bbox_head') or model.get('rpn_head')
        head = head[-1] if isinstance(head, list) else head
        out['task'] = f'{model.get("type")}' + (f' with {head["type"]}' if head else '')
        if data := _data_words(problem.task.cfg):
            out['data'] = data
    if problem.input_size:
        out['input'] = '{} x {} pixels'.format(*problem.input_size)
    if not problem.needed_metrics:  # costs are counted anew whenever a search resumes
        return out | dict(device=device_name('cpu'), finished=date.today().isoformat())
    timings = Path(folder, TIMINGS)
    lines = timings.read_text(encoding='utf-8').splitlines() if timings.is_file() else []
    timed = [json.loads(line) for line in lines]
    devices = dict.fromkeys(line['device'] for line in timed if 'device' in line)
    if devices:
        out['device'] = ', '.join(devices)
        out['finished'] = max(line['ended'] for line in timed if 'ended' in line)[:10]
    if timed:
        out['took'] = str(timedelta(seconds=round(sum(line['seconds'] for line in timed))))
    return out


def _data_words(cfg: Mapping[str, Any]) -> str:
    """Name the data sets that a task is validated on, or trained on, and where they lie."""
    loader = cfg.get('val_dataloader') or cfg.get('train_dataloader') or {}
    waiting, found = [loader.get('dataset')], []
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, Sequence) and not isinstance(node, str):
            waiting = [*node, *waiting]
        elif isinstance(node, Mapping):
            inner = node.get('dataset') or node.get('datasets')
            root = node.get('data_root')
            if inner:
                waiting.insert(0, inner)
            else:
                found.append(type_name(node) + (f' in {root}' if root else ''))
    return ', '.join(dict.fromkeys(found))


def _axes(problem: Problem) -> tuple[str, str]:
    """Return the names of what is drawn along x and y: a cost, and the first objective."""
    names = [o.metric for o in problem.objectives]
    costs = [name for name, metric in problem.metrics.items() if metric is not None]
    others = [name for name in [*names[1:], *costs] if name != names[0]]
    return (others[0] if others else CANDIDATE), names[0]


def _axis(problem: Problem, name: str) -> Axis:
    source = problem.metrics.get(name)
    return Axis(name) if source is None else Axis(name, *source.axis)


def _draw(
    path: Path, problem: Problem, records: Records, best: Records, x: str, y: str, title: str
) -> None:
    from matplotlib.figure import Figure  # not pyplot, whose back end is the user's

    figure = Figure(figsize=(7, 4.5), layout='constrained')
    joined = len(problem.objectives) == 2
    axes = figure.subplots(), _axis(problem, x), _axis(problem, y)
    draw_candidates(*axes, records, best, joined, title)
    figure.savefig(path, dpi=130, format='png')  # a draft's name says nothing of it


def forecast_words(forecasts: Sequence[Forecast]) -> list[str]:
    """Return a line for each predicted metric: how far its order held, by generation."""
    lines: dict[str, list[str]] = {}
    for each in forecasts:
        lines.setdefault(each.metric, []).append(f'{each.tau:.2f}')
    return [
        f'{metric}, predicted against measured: Kendall tau {", ".join(taus)} by generation'
        for metric, taus in lines.items()
    ]


def front_table(problem: Problem, best: Records) -> Any:
    """Return a rich table of the front; of a long one evenly chosen lines."""
    from rich.table import Table

    names = [o.metric for o in problem.objectives]
    names += [n for n, metric in problem.metrics.items() if metric is not None and n not in names]
    shown = (
        best
        if len(best) <= SHOWN
        else [best[round(i * (len(best) - 1) / (SHOWN - 1))] for i in range(SHOWN)]
    )
    table = Table(
        title=f'The front: {len(best)} candidates'
        + (f', {SHOWN} of them shown' if len(best) > SHOWN else '')
    )
    table.add_column('candidate', justify='right')
    for name in names:
        table.add_column(name, justify='right')
    table.add_column('architecture', overflow='fold')
    for record in shown:
        values = [in_units(problem, name, Axis(name).value(record)) for name in names]
        table.add_row(str(record['index']), *values, str(problem.space.arch(record['arch'])))
    return table
