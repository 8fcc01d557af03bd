"""Draw the pictures of docs/concepts.md.

python docs/draw_concepts.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

OUT = Path(__file__).resolve().parent / 'concepts'
# Readable on white and on black.
INK, REST, ACTIVE, OTHER = '#777777', '#b8b8b8', '#2f7ec4', '#d9822b'


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return axes without frame, one unit an inch."""
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis('off')
    return figure, axes


def cell(axes: Axes, x: float, y: float, size: float, colour: str) -> None:
    axes.add_patch(Rectangle((x, y), size * 0.88, size * 0.88, color=colour, lw=0))


def text(axes: Axes, x: float, y: float, words: str, colour: str = INK, size: float = 9.5) -> None:
    axes.text(x, y, words, color=colour, fontsize=size, ha='center', va='center')


def box(axes: Axes, x: float, y: float, width: float, words: str, colour: str = INK) -> None:
    """Draw a box of a line or two around (x, y)."""
    height = 0.55
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle='round,pad=0,rounding_size=0.08',
            fc='none',
            ec=colour,
            lw=1.3,
        )
    )
    text(axes, x, y, words, colour, 9)


def arrow(axes: Axes, start: tuple, end: tuple, colour: str = INK, bend: float = 0) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle='-|>',
            mutation_scale=11,
            color=colour,
            lw=1.3,
            connectionstyle=f'arc3,rad={bend}',
        )
    )


def spans() -> Figure:
    """Draw one weight of 8 x 8 and what of it subnets use."""
    figure, axes = canvas(8, 2.6)
    size, taken = 0.2, [
        ('the whole weight\nthe largest subnet', range(8), range(8)),
        ('Span(0, 5), Span(0, 3)\na narrow one', range(5), range(3)),
        ('Span(6, 5): wraps\ncyclic sharing', [6, 7, 0, 1, 2], range(8)),
        ('extracted\na weight of its own', range(5), range(3)),
    ]  # fmt: skip
    for i, (words, rows, columns) in enumerate(taken):
        left, last = 0.35 + 2 * i, i == len(taken) - 1
        for row in range(8):
            for column in range(8):
                used = row in rows and column in columns
                if used or not last:
                    colour = ACTIVE if used else REST
                    cell(axes, left + column * size, 2.2 - row * size, size, colour)
        text(axes, left + 0.8, 0.35, words)
    return figure


def dense() -> Figure:
    """Draw a dense model around an elastic backbone, and its cost."""
    figure, axes = canvas(8, 3.5)
    for i, (most, now) in enumerate([(0.5, 0.35), (0.7, 0.4), (1.0, 0.75), (1.3, 0.95)]):
        x = 0.5 + 0.75 * i
        axes.add_patch(Rectangle((x, 2.25 - most / 2), 0.5, most, color=REST, lw=0))
        axes.add_patch(Rectangle((x, 2.25 - now / 2), 0.5, now, color=ACTIVE, lw=0))
        arrow(axes, (x + 0.25, 2.25 - most / 2), (x + 0.25, 1.32))
        axes.add_patch(Rectangle((x, 1.15), 0.5, 0.15, color=OTHER, lw=0))
    axes.plot([3.32, 3.8, 3.8], [1.22, 1.22, 1.9], color=INK, lw=1.3)
    arrow(axes, (3.78, 1.9), (4.24, 1.9))
    text(axes, 1.9, 3.2, 'elastic backbone: what is grey another subnet has', size=9)
    text(axes, 1.9, 0.92, 'taps: one width for all subnets', OTHER, 9)
    box(axes, 5.0, 1.9, 1.4, 'neck, head\nof OpenMMLab')
    arrow(axes, (5.75, 1.9), (6.25, 1.9))
    text(axes, 6.95, 1.9, 'label map,\nboxes, masks', size=9)
    left = 0.5
    for words, width, colour in (
        ('backbone', 3.6, ACTIVE),
        ('taps', 0.5, OTHER),
        ('neck, head', 1.7, INK),
    ):
        axes.add_patch(Rectangle((left, 0.3), width - 0.04, 0.28, color=colour, lw=0))
        axes.text(
            left + width / 2, 0.44, words, color='white', fontsize=8, ha='center', va='center'
        )
        left += width
    axes.plot([6.9, 6.9], [0.2, 0.68], color='#c0392b', lw=2)
    axes.text(6.98, 0.44, 'the budget', color='#c0392b', fontsize=9, va='center')
    return figure


def replay() -> Figure:
    """Draw the loop of a search, and where a stopped one goes on."""
    figure, axes = canvas(8, 2.6)
    box(axes, 1.0, 1.9, 1.5, 'algorithm\nfrom one seed')
    box(axes, 3.1, 1.9, 1.5, 'costs: all of a\ngeneration at once')
    box(axes, 5.2, 1.9, 1.5, 'evaluators: those\nwithin the bounds')
    box(axes, 7.1, 1.9, 1.4, 'archive.jsonl\na line each', ACTIVE)
    for x in (1.78, 3.88, 5.98):
        arrow(axes, (x, 1.9), (x + 0.52 if x < 5.9 else 6.38, 1.9))
    arrow(axes, (6.7, 1.6), (1.0, 1.6), bend=-0.18)
    text(axes, 3.85, 1.3, 'what was measured makes the next generation')
    arrow(axes, (7.2, 1.6), (7.2, 0.5), ACTIVE)
    text(
        axes,
        4.4,
        0.3,
        'after a stop the same questions are answered by the lines that are there, then measured',
        ACTIVE,
    )
    return figure


def artefact() -> Figure:
    """Draw what is inside of an artefact, and what is measured of it."""
    figure, axes = canvas(8, 2.3)
    text(axes, 0.75, 1.5, 'image,\nuint8 RGB')
    arrow(axes, (1.3, 1.5), (1.75, 1.5))
    axes.add_patch(Rectangle((1.8, 1.05), 4.3, 0.95, fc='none', ec=ACTIVE, lw=1.5))
    text(axes, 3.95, 0.85, 'one file for one runtime, in one precision', ACTIVE, 9)
    for x, width, words in (
        (2.35, 0.95, 'normalise'),
        (3.65, 1.25, 'network'),
        (5.2, 1.5, 'resize, argmax\nor NMS'),
    ):
        box(axes, x, 1.53, width, words)
    for x, end in ((2.85, 3.0), (4.3, 4.43)):
        arrow(axes, (x, 1.53), (end, 1.53))
    arrow(axes, (6.15, 1.5), (6.6, 1.5))
    text(axes, 7.25, 1.5, 'label map,\nboxes')
    arrow(axes, (3.95, 0.72), (3.95, 0.5), OTHER)
    text(
        axes, 3.95, 0.28, 'its digest, its metric, its latency: deploy.json and the card', OTHER, 9
    )
    return figure


def main() -> None:
    plt.rcParams['svg.fonttype'] = 'none'
    plt.rcParams['svg.hashsalt'] = 'concepts'
    OUT.mkdir(exist_ok=True)
    for draw in (spans, dense, replay, artefact):
        draw().savefig(OUT / f'{draw.__name__}.svg', transparent=True, metadata={'Date': None})


if __name__ == '__main__':
    main()
