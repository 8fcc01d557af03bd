"""The configs of a task of the user's: data, model, supernet, search, search of artefacts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from nasvit_mm.own_data import templates
from nasvit_mm.own_data.choices import CALIBRATION, Choices, steps_of
from nasvit_mm.own_data.lay_out import LaidOut

FILES = ('data.py', 'task.py', 'supernet.py', 'search.py', 'deploy.py')
WIDTH = 64  # of the backbone's outputs, so that one head serves all subnets
METRICS = {'seg': 'mIoU', 'det': 'coco/bbox_mAP', 'cls': 'accuracy/top1'}
SHORT = {'seg': 'mIoU', 'det': 'mAP', 'cls': 'accuracy'}
WARMUP = {'seg': (1e-3, 100), 'det': (1e-2, 50), 'cls': (1e-2, 50)}  # first factor, most steps
LINE = 88  # characters of a list's line


class Places(NamedTuple):
    """Where things of a task are, absolute.

    Attributes:
        folder: of the configs; the data are in its ``data``.
        work: of trainings and searches.
    """

    folder: Path
    work: Path


def config_texts(laid: LaidOut, choices: Choices, places: Places, title: str) -> dict[str, str]:
    """Return the text of each of :data:`FILES`."""
    upper = laid.task.upper()
    texts = (
        getattr(templates, f'{upper}_DATA'),
        getattr(templates, f'{upper}_TASK'),
        templates.SUPERNET,
        templates.SEARCH,
        templates.DEPLOY,
    )
    values = _values(laid, choices, places, title)

    def filled(text: str) -> str:
        text = re.sub(r'<(\w+)>', lambda found: str(values[found[1]]), text)
        return text.replace('{{', '{\\x7b')  # mmengine would put values of its own there

    return {name: filled(text) for name, text in zip(FILES, texts)}


def _values(laid: LaidOut, choices: Choices, places: Places, title: str) -> dict[str, Any]:
    task, images = laid.task, {split: len(items) for split, items in laid.splits.items()}
    steps, epochs = choices.steps, choices.epochs
    per_epoch = steps_of(laid.to_learn, choices.batch)
    last = f'epoch_{epochs[0]}.pth' if task == 'det' else f'iter_{steps[0]}.pth'
    cost = next(iter(choices.high), 'macs')
    bounds = ', '.join(f'dict(metric={n!r}, high={v:.15g})' for n, v in choices.high.items())
    own = (
        'Within the bounds below.'
        if bounds
        else (
            'No budget yet: nasvit-mm search ... --high macs=2e9, or constraints = '
            "[dict(metric='macs', high=2e9)]."
        )
    )
    interval = max(steps[0] // 4, 1)
    return dict(
        title=_quoted(title),
        counts=', '.join(f'{n} {split}' for split, n in images.items()),
        number=len(laid.classes),
        folder=_quoted(str(places.folder)),
        work=_quoted(str(places.work)),
        root=_text(places.folder / 'data'),
        slashed_root=repr(f'{places.folder / "data"}/'),
        classes=_lines(laid.classes),
        palette=_lines(map(list, laid.colours)),
        suffix=laid.suffix,
        crop=choices.crop,
        scale=choices.scale,
        resize=f"    dict(type='Resize', scale={choices.scale}, keep_ratio=True),\n"
        if choices.resize
        else '',
        batch=choices.batch,
        workers=choices.workers,
        persistent=choices.workers > 0,
        side=choices.input_size[0],
        resolution=choices.resolution,
        width=WIDTH,
        holder='' if task == 'cls' else "['backbone']",
        schedule=_schedule(task, steps[1], epochs[1], per_epoch, 4),
        supernet_schedule=_schedule(task, steps[0], epochs[0], per_epoch, 2),
        log=max(min(50, steps[1] // 10), 1),
        interval=max(steps[1] // 4, 1),
        supernet_checkpoint='' if task == 'det' else f'interval={interval}, ',
        metric=METRICS[task],
        short=SHORT[task],
        cost=cost,
        budget=own,
        high=choices.input_size[0],
        wide=choices.input_size[1],
        input_size=choices.input_size,
        # The cost of a classifier is that of its space, at its resolution.
        task_and_size=''
        if task == 'cls'
        else f"task = './task.py'\ninput_size = {choices.input_size}\n",
        constraints=f'constraints = [{bounds}]\n' if bounds else '',
        latency=f'latency = {_text(places.work / "latency.json")}\n' if cost == 'latency' else '',
        supernet_config=_text(places.folder / 'supernet.py'),
        checkpoint=_text(places.work / 'supernet' / last),
        calibration=CALIBRATION,
        population=choices.population,
        generations=choices.generations,
        calibrate=min(32, images['train']),
        train_work=_text(places.work / 'task'),
        supernet_work=_text(places.work / 'supernet'),
        search_work=_text(places.work / 'search'),
        deploy_work=_text(places.work / 'deploy_search'),
    )


def _quoted(text: str) -> str:
    """Return a text as it stands in a docstring, which it cannot end."""
    return text.replace('\\', '\\\\').replace('"', '\\"')


def _text(path: Path) -> str:
    return repr(str(path))


def _lines(values: Iterable[Any]) -> str:
    """Return values with commas, in lines that are indented."""
    lines, line = [], ''
    for word in (f'{value!r},' for value in values):
        if line and len(line) + len(word) > LINE:
            lines.append(line)
            line = ''
        line = f'{line} {word}' if line else word
    return '\n'.join(f'        {text}' for text in [*lines, line])


def _schedule(task: str, steps: int, epochs: int, per_epoch: int, checks: int) -> str:
    """Return the length of a training, validated so many times, and its learning rates."""
    first, most = WARMUP[task]
    total = epochs * per_epoch if task == 'det' else steps
    warm = min(most, max(total // 10, 2)) if total >= 4 else 0
    rising = f'{first}, by_epoch=False, begin=0, end={warm}'
    warmup = f"    dict(type='LinearLR', start_factor={rising}),\n" if warm else ''
    if task == 'det':
        length = f'max_epochs={epochs}, val_interval={max(epochs // checks, 1)}'
        falling = (
            f"type='CosineAnnealingLR', eta_min=0.0, begin=0, end={epochs}, "
            'convert_to_iter_based=True'
        )
    else:
        kind = "type='IterBasedTrainLoop', " if task == 'cls' else ''
        length = f'{kind}max_iters={steps}, val_interval={max(steps // checks, 1)}'
        falling = f"type='PolyLR', eta_min=0.0, power=0.9, begin={warm}, by_epoch=False"
    return f'train_cfg = dict({length})\nparam_scheduler = [\n{warmup}    dict({falling}),\n]'
