"""The page at the end: what was found, how good and how quick its artefact is, what to do next."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from PIL import Image

from nasvit_mm.auto.journey import Journey
from nasvit_mm.auto.pictures import draw_predictions
from nasvit_mm.building import read_file
from nasvit_mm.config import find_config
from nasvit_mm.deploy import Artefact, get_runtime
from nasvit_mm.files import write_text
from nasvit_mm.search import Search

PAGE, TEMPLATE = 'index.html', Path(__file__).with_name('page.html')
MIB = 2**20
BUSY = '; other programs ran beside it: measure again, nasvit-mm benchmark'


class About(NamedTuple):
    """What the page says besides results.

    Attributes:
        wish: what was asked for, by its names.
        reasons: of what was chosen, one line each.
        metric: of the artefact, by which it is judged.
        sheet: image of the data.
        last: of what to do next, lines.
    """

    wish: Mapping[str, Any]
    reasons: Sequence[str]
    metric: str
    sheet: Path
    last: Sequence[str]


def write_page(journey: Journey, about: About, done: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write ``index.html``, which needs no network and no file beside it.

    Args:
        journey: that has come to its artefact.
        done: what ran and took how long, by step.
    """
    work, metric = journey.work_dir, about.metric
    artefact = Artefact.load(journey.deployed)
    search = Search.load(work / 'search')
    best = search.best()
    cfg = read_file(journey.exported)
    measured = artefact.measured
    value, latency = measured['metric'][metric], measured['latency']
    size = sum((artefact.folder / name).stat().st_size for name in artefact.files) / MIB
    height, width = artefact.size
    facts = {
        'asked for': ', '.join(f'{k} {v}' for k, v in about.wish.items()),
        f'{metric} of the artefact on test': f'{value:.4g}',
        'latency': f'{latency["median_ms"]:.1f} ms (10 to 90 %: {latency["p10_ms"]:.1f} to '
        f'{latency["p90_ms"]:.1f}), {latency["threads"]} threads of {latency["device"]}'
        f'{BUSY * (latency["p90_ms"] > 1.5 * latency["p10_ms"])}',
        'artefact': f'{artefact.runtime} {artefact.version}, {artefact.precision}, {height} x '
        f'{width} pixels, {size:.1f} MiB',
        'as a subnet, in the search': ', '.join(
            f'{axis} {axis.value(best):.4g}' for axis in map(search.axis, search.names)
        ),
        'candidates': f'{len(search.records)}, of which {len(search.front())} are on the front',
        'architecture': str(search.arch(best)),
    }
    seconds = {name: each['seconds'] for name, each in done.items()}
    text = Template(TEMPLATE.read_text(encoding='utf-8')).substitute(
        title=escape(f'{metric} {value:.4g} in {latency["median_ms"]:.1f} ms'),
        facts=_pairs(facts),
        front=_file(work / 'search' / 'front.png'),
        predictions=_image(draw_predictions(cfg, artefact.folder)),
        data=_file(about.sheet),
        reasons=''.join(f'<li>{escape(line)}' for line in about.reasons),
        steps=_rows(
            (name, str(timedelta(seconds=round(took))), f'nasvit-mm{_words(done[name]["command"])}')
            for name, took in seconds.items()
        ),
        next='\n'.join(map(escape, _next(journey, about, artefact))),
        date=date.today().isoformat(),
        total=str(timedelta(seconds=round(sum(seconds.values())))),
    )
    write_text(work / PAGE, text)
    return work / PAGE


def _next(journey: Journey, about: About, artefact: Artefact) -> list[str]:
    """Return commands with what they are for, in comments."""
    found, exported = journey.work_dir / 'search', journey.exported
    given = _words(journey.options.get('search', ()))
    bound = read_file(find_config(journey.search)).constraints[0]
    # Of a classifier nasvit-mm export, which hands a backbone to a dense task, has nothing to do.
    other = f'nasvit-mm export {journey.search} --work-dir {found} --candidate N --out other{given}'
    point = 0.01 if 'mAP' in about.metric else 1
    int8 = [
        '# as int8, with at most a point of the metric less',
        f'nasvit-mm deploy {exported} {journey.checkpoint()} --to {artefact.runtime} --int8 '
        f'--max-drop {point} --out {journey.work_dir / "int8"}',
        '',
    ]
    can = artefact.precision != 'int8' and 'int8' in get_runtime(artefact.runtime).precisions
    return [
        '# what it sees in an image, in Python',
        f"from nasvit_mm import Predictor; print(Predictor('{artefact.folder}')('image.jpg'))",
        '',
        '# another candidate of the front, or another budget, without training a supernet again',
        *([] if journey.export else [other]),
        f'nasvit-mm search {journey.search} --from {found} --high '
        f'{bound.metric}={0.9 * bound.high:.3g}{given}',
        '',
        *(int8 if can else []),
        *about.last,
    ]


def _words(words: Iterable[str]) -> str:
    """Return words of a command with a space before each."""
    return ''.join(f' {word}' for word in words)


def _pairs(facts: Mapping[str, str]) -> str:
    return ''.join(f'<dt>{escape(k)}<dd>{escape(v)}' for k, v in facts.items())


def _rows(rows: Iterable[Sequence[str]]) -> str:
    cells = (''.join(f'<td>{escape(cell)}' for cell in row) for row in rows)
    return ''.join(f'<tr>{row}' for row in cells)


def _file(path: Path) -> str:
    return f'data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}'


def _image(image: Image.Image) -> str:
    out = io.BytesIO()
    image.save(out, 'PNG')
    return f'data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}'
