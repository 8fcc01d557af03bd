"""The losses and metrics of a training as curves, in one image beside its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from nasvit_mm.errors import printable
from nasvit_mm.files import replacing, write_errors
from nasvit_mm.runtime.processes import is_first

NAME = 'curves.png'
LOGS = '*/vis_data/scalars.json'  # what mmengine's LocalVisBackend writes, a folder a run
MOST = 8  # curves of a panel
# Of a line of the log, what is no loss and no metric.
ABOUT = {
    'base_lr',
    'data_time',
    'epoch',
    'grad_norm',
    'iter',
    'lr',
    'memory',
    'momentum',
    'step',
    'time',
}

Curves = dict[str, dict[int, float]]  # name -> iteration -> value


class DrawCurves(Hook):
    """Draws ``curves.png`` into the work dir when training ends, over all runs that led there."""

    priority = 'VERY_LOW'  # after the logger

    def after_train(self, runner: Any) -> None:
        if not is_first():
            return
        losses, metrics = read_curves(Path(runner.work_dir))
        if losses or metrics:
            path = Path(runner.work_dir, NAME)
            draw_curves(path, losses, metrics)
            runner.logger.info(f'curves: {path}')


def read_curves(folder: Path) -> tuple[Curves, Curves]:
    """Return the losses and the metrics that the runs of a work dir have logged, by iteration.

    A resumed run continues an earlier one's, and repeats what that did after its checkpoint.
    """
    losses: Curves = {}
    metrics: Curves = {}
    for log in sorted(folder.glob(LOGS)):
        now = 0
        for line in _lines(log):
            trains = 'lr' in line or any('loss' in name for name in line)
            # Metrics may be logged by epoch: they then belong to the iteration that came last.
            now = line['step'] if trains else max(now, line['step'])
            for name, value in line.items():
                if name in ABOUT or isinstance(value, bool) or not isinstance(value, (int, float)):
                    continue
                if not trains:
                    metrics.setdefault(name, {})[now] = value
                elif 'loss' in name:
                    losses.setdefault(name, {})[now] = value
    return losses, metrics


def _lines(log: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a log; the last line of a run that was killed may be half of one."""
    for text in log.read_text(encoding='utf-8').splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get('step'), int):
            yield line


def draw_curves(path: Path, losses: Curves, metrics: Curves) -> None:
    """Draw losses and metrics over iterations, a panel each.

    Raises:
        WriteError: the image cannot be written; an earlier one is unchanged.
    """
    from matplotlib.figure import Figure  # not pyplot, whose back end is the user's

    panels = [(name, curves) for name, curves in (('loss', losses), ('metric', metrics)) if curves]
    figure = Figure(figsize=(6 * len(panels), 4), layout='constrained')
    last = max(max(points) for _, curves in panels for points in curves.values())
    for axes, (title, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        # The sum of losses first, without the same curve under the name of its only term.
        whole = curves.get('loss')
        names = sorted((n for n in curves if n == 'loss' or curves[n] != whole), key='loss'.__ne__)
        for name in names[:MOST]:
            points = sorted(curves[name].items())
            marker = '.' if len(points) < 50 else None
            axes.plot(*zip(*points), marker=marker, linewidth=1.2, label=printable(name))
        more = f', {len(names) - MOST} more in the log' if len(names) > MOST else ''
        axes.set_title(f'{title}{more}')
        axes.set_xlabel('iteration')
        axes.set_xlim(0, 1.02 * last)
        axes.legend(frameon=False, fontsize='small')
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    with replacing(path) as draft, write_errors(path):
        figure.savefig(draft, dpi=130, format='png')
