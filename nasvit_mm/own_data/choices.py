"""What a task's configs are set to: by the number and size of images, the hardware and the time."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from nasvit_mm.own_data.lay_out import LaidOut

# Long sides in pixels: what a CPU and a GPU can train at in hours.
LONGEST = {'seg': (480, 1024), 'det': (480, 800), 'cls': (64, 224)}
CROP = (352, 512)  # at most, of a CPU and of a GPU
BATCH = {'seg': (4, 8), 'det': (4, 8), 'cls': (32, 128)}
EPOCHS = {'seg': 20, 'det': 16, 'cls': 8}  # without a limit of time
MOST_EPOCHS = 200  # more of them teach a network nothing new
LEAST_STEPS, MOST_STEPS = 20, 40_000
ENOUGH = 500  # steps, without a limit of time, of however few images
LEAST_CANDIDATES, MOST_CANDIDATES = 8, 512
# Of the time that is given; the rest is for deployment, measuring and starting.
SHARES = dict(supernet=0.45, search=0.2, train=0.25)
CALIBRATION = 8  # batches for the batch norms of a candidate


@dataclass(frozen=True)
class Choices:
    """Values of the configs.

    Attributes:
        scale: (width, height) that images are brought to, keeping their ratio.
        resize: whether they are at all, where a network sees them.
        crop: (height, width) of training.
        input_size: (height, width) of what is searched for and deployed.
        resolution: of the space, see docs/guides/your_data.md.
        batch, workers: of the data loaders.
        epochs: of detection, for the supernet and for the winner.
        steps: of the others, for the supernet and for the winner.
        population, generations: of the search.
        high: bounds of the search, by cost.
        reasons: one line a choice.
    """

    scale: tuple[int, int]
    resize: bool
    crop: tuple[int, int]
    input_size: tuple[int, int]
    resolution: int
    batch: int
    workers: int
    epochs: tuple[int, int]
    steps: tuple[int, int]
    population: int = 16
    generations: int = 8
    high: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def steps_of(number: int, batch: int) -> int:
    """Return the steps of an epoch: what is left over after the last whole batch is dropped."""
    return max(number // batch, 1)


def choose(laid: LaidOut) -> Choices:
    """Return choices by images and hardware, as yet without a limit of time."""
    gpu = torch.cuda.is_available()
    where = 'a GPU' if gpu else 'a CPU'
    task, reasons = laid.task, []
    height, width = laid.size
    longest = LONGEST[task][gpu]
    factor = min(longest / max(height, width), 1.0)
    scaled = max(round(height * factor), 32), max(round(width * factor), 32)
    sizes = f'{"all" if laid.same_size else "the middle of the"} images are {width} x {height}'
    if task == 'cls':
        side = min(-(-max(scaled) // 32) * 32, longest)
        scaled = crop = input_size = (side, side)
        resolution, resize = side, True
        reasons.append(f'input {side} x {side}: {sizes}, and {where} trains at up to {longest}')
    else:
        crop = tuple(min(max(v // 32 * 32, 32), CROP[gpu]) for v in scaled)
        # An exact graph takes one size: of images of many sizes that of the middle one.
        input_size = scaled if laid.same_size else tuple(-(-v // 32) * 32 for v in scaled)
        resize = factor < 1 or not laid.same_size
        resolution = 64 if max(scaled) <= 640 else 224
        shrunk = f', brought to a long side of {longest} for {where}' if factor < 1 else ''
        reasons.append(
            f'images {scaled[1]} x {scaled[0]}, crops of {crop[1]} x {crop[0]}: {sizes}{shrunk}'
        )
    number = laid.to_learn
    batch = min(BATCH[task][gpu], max(number // 2 * 2, 1))
    reasons.append(f'batches of {batch}: {where}, {number} training images')
    cores = len(os.sched_getaffinity(0))
    workers = min(max(cores // 2, 1), 4)
    per_epoch = steps_of(number, batch)
    steps = min(max(EPOCHS[task] * per_epoch, ENOUGH), MOST_STEPS)
    reasons.append(
        f'{steps} steps: {steps * batch / number:.0f} passes over {number} images'
        if task != 'det'
        else f'{EPOCHS[task]} epochs of {per_epoch} steps'
    )
    return Choices(
        scale=(scaled[1], scaled[0]),
        resize=resize,
        crop=crop,
        input_size=input_size,
        resolution=resolution,
        batch=batch,
        workers=workers,
        epochs=(EPOCHS[task],) * 2,
        steps=(steps,) * 2,
        reasons=tuple(reasons),
    )


def in_time(choices: Choices, laid: LaidOut, hours: float, step: float, forward: float) -> Choices:
    """Return choices that fit into so many hours.

    Args:
        hours: for everything.
        step: seconds that a training step of the supernet takes here.
        forward: seconds that a batch of training images takes the largest network forwards.
    """
    per_epoch = steps_of(laid.to_learn, choices.batch)
    seconds = {name: 3600 * hours * share for name, share in SHARES.items()}
    # The supernet's step goes through several networks; the winner's through one.
    alone = step / 3
    counts = []
    for name, cost in (('supernet', step), ('train', alone)):
        affordable = int(seconds[name] / cost)
        most = min(MOST_EPOCHS * per_epoch, MOST_STEPS)
        counts.append(min(max(affordable, LEAST_STEPS), most))
    images = len(laid.splits['val']) / choices.batch + CALIBRATION
    candidate = max(forward * images, 0.05)
    candidates = int(min(max(seconds['search'] / candidate, LEAST_CANDIDATES), MOST_CANDIDATES))
    population = min(max(candidates // 8, 4), 32)
    generations = max(candidates // population, 2)
    epochs = tuple(max(n // per_epoch, 1) for n in counts)
    length = (
        f'{epochs[0]} epochs of the supernet, {epochs[1]} of the winner'
        if laid.task == 'det'
        else f'{counts[0]} steps of the supernet, {counts[1]} of the winner'
    )
    passes, wanted = counts[0] / per_epoch, EPOCHS[laid.task]
    little = []
    if passes < wanted / 2 and counts[0] < ENOUGH:
        needed = math.ceil(wanted * per_epoch * step / SHARES['supernet'] / 3600)
        little.append(
            f'that is little: {passes:.0f} passes of the supernet over the images, whose order of '
            f'networks means nothing yet. --hours {needed} would give it {wanted}, --pretrained '
            'weights teach it sooner'
        )
    reasons = (
        *choices.reasons[:-1],
        f'{length}: a step of the supernet took {step:.2f} s here, of {hours:g} h it has '
        f'{SHARES["supernet"]:.0%} and the winner {SHARES["train"]:.0%}',
        f'{population * generations} candidates ({generations} generations of {population}): each '
        f'takes about {candidate:.1f} s on {len(laid.splits["val"])} images, the search has '
        f'{SHARES["search"]:.0%}',
        *little,
    )
    return replace(
        choices,
        steps=tuple(counts),
        epochs=epochs,
        population=population,
        generations=generations,
        reasons=reasons,
    )
