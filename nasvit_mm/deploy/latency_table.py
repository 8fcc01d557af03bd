"""Latency of any candidate out of a table of blocks, measured once on the user's device."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from nasvit_mm.backbones import Block
from nasvit_mm.config import plain_types
from nasvit_mm.dense import SearchedModel, Size, kind_of_config
from nasvit_mm.errors import (
    ArchitectureError,
    UsageError,
    check_number,
    first_line,
    shown_path,
    shown_value,
    unknown,
)
from nasvit_mm.files import digest, write_text
from nasvit_mm.spaces import Space, get_space

# Options that go by the candidate or change no time.
FREE = {'in_channels', 'init_cfg'}
FREE_OF_BACKBONE = {'arch', 'space', 'drop_path_rate', 'frozen_stages', 'norm_eval', 'with_cp'}
# What a table is expected to reach: Kendall tau of two measurements, and of itself with their mean;
# its mean relative error.
REPEATED, PREDICTED, ERROR = 0.95, 0.9, 0.05
FEWEST = 5  # unseen networks that tell: by chance one order of these in 120 is right
BLOCK = re.compile(r'[^(]+\([^=(),]+=-?\d+(, [^=(),]+=-?\d+)*\)')  # a key of the table


class LatencyTable:
    """Milliseconds of every block of a space in one dense model, on one device.

    A candidate's latency is the sum over its blocks, and what is left (stem, embeddings, neck,
    head) is linear in the MACs of these parts.  A block that was not measured is interpolated
    between those that were in the same place, by a polynomial of the second degree in their widths.
    A table of a runtime counts for every candidate what an artefact takes more than its network,
    ``about['artefact_ms']``; its check is of networks.

    Attributes:
        about: what was measured and where, JSON types.
        check: how well it predicts ``networks`` networks that it had not seen, measured twice:
            ``kendall_tau`` and ``mean_error`` (relative) against the mean of both, and as
            ``repeat_tau`` and ``repeat_error`` how well the first predicts the second.
    """

    def __init__(
        self,
        task: SearchedModel,
        about: Mapping[str, Any],
        blocks: Mapping[str, float],
        rest: Mapping[str, float],
        check: Mapping[str, float],
    ) -> None:
        self.task, self.about, self.check = task, dict(about), dict(check)
        self.blocks, self.rest = dict(blocks), dict(rest)
        self._fits: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._known: dict[Any, float] = {}

    # ------------------------------------------------------------------ prediction
    def milliseconds(self, genes: np.ndarray) -> np.ndarray:
        """Predict milliseconds of a batch of the measured size: (n,) of genes (n, num_genes)."""
        net, out = self.task.net, np.zeros(len(genes))
        for i, arch in enumerate(self.task.space.from_genes(genes)):
            for block in net.blocks_of(arch):
                if block not in self._known:
                    self._known[block] = self._block(block)
                out[i] += self._known[block]
        parts = rest_parts(self.task, genes, self.about['input_size'])
        out += self.rest[''] + sum(parts[n] * w for n, w in self.rest.items() if n)
        return out.round(4)

    def _block(self, block: Block) -> float:
        known = self.blocks.get(block_key(block))
        if known is not None:
            return known
        if block.place not in self._fits:
            alike = {k: v for k, v in self.blocks.items() if k.startswith(block.place + '(')}
            if not alike:
                raise UsageError(f'the latency table has no block {block.place}: build it again')
            self._fits[block.place] = fitted_weights(
                np.array([_polynomial(_read(key)) for key in alike]), np.array(list(alike.values()))
            )
        weights, scale = self._fits[block.place]
        return float((_polynomial(n for _, n in block.sizes) / scale) @ weights)

    @property
    def fault(self) -> str:
        """Say in words what is against a search by this table; empty where nothing is."""
        if not self.check:
            return ''
        tau, error = self.check['kendall_tau'], self.check['mean_error']
        if self.check.get('networks', FEWEST) < FEWEST:
            return (
                f'{self.check["networks"]} networks that it has not seen are too few to tell '
                f'whether it predicts this device, expected at least {FEWEST}: measure the whole '
                'networks of so small a space, or build the table of a larger one'
            )
        if not self.check.get('repeat_tau', 1) >= REPEATED:  # NaN too, where all take one time
            return (
                f'two measurements of the same networks agree by tau {self.check["repeat_tau"]:.2f}'
                f' only, expected {REPEATED}: this machine is too busy: do not search with it; '
                'build it again while nothing else runs, or with more --rounds'
            )
        if not (tau >= PREDICTED and error <= ERROR):
            return (
                f'it predicts this device by tau {tau:.2f} and {error:.1%}, expected {PREDICTED} '
                f'and at most {ERROR:.0%}: do not search with it; build it again with more '
                '--networks'
            )
        return ''

    @property
    def verdict(self) -> str:
        """Say in words whether a search may go by this table; empty where it was not checked."""
        return self.fault or ('it predicts this device: search with it' if self.check else '')

    # ------------------------------------------------------------------ file
    @property
    def digest(self) -> str:
        """Content hash of the measured times."""
        return digest([self.blocks, self.rest])

    def save(self, path: str | Path) -> None:
        """Write the table as JSON, completely or not at all."""
        content = dict(about=self.about, check=self.check, rest=self.rest, blocks=self.blocks)
        write_text(path, json.dumps(content, indent=1) + '\n')

    @classmethod
    def load(cls, path: str | Path, task: SearchedModel, size: Size) -> LatencyTable:
        """Read a table that must be of this task.

        Raises:
            UsageError: no such file, no table, or one of another space, model or input size.
        """
        if not Path(path).is_file():
            raise UsageError(
                f'the latency table {shown_path(path)} does not exist: '
                'tools/benchmark.py CONFIG --build-table writes it'
            )
        table, wanted = cls(task, **_read_table(path)), about_task(task, size)
        differing = [key for key in wanted if table.about[key] != wanted[key]]
        if differing == ['space'] and _holds(table.about['space'], task.space):
            differing = []  # a part of it is searched
        if differing:
            key = differing[0]
            raise UsageError(
                f'the latency table {path} is of another {key}: {shown_value(table.about[key])}, '
                f'here {shown_value(wanted[key])}; build one for this task'
            )
        parts = {'', *rest_parts(task, task.space.genes([task.space.smallest]), size)}
        for name in table.rest:
            if name not in parts:
                raise UsageError(
                    f'{path} is no latency table of this version: {unknown("rest", name, parts)}'
                )
        return table


def compare(predicted: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Compare predictions with measurements: rank correlation and mean relative error."""
    from scipy.stats import kendalltau

    return dict(
        networks=len(measured),
        kendall_tau=float(kendalltau(predicted, measured)[0]),
        mean_error=float(np.mean(np.abs(predicted / measured - 1))),
    )


def checked(predicted: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return the check of a table by two measurements, see :class:`LatencyTable`."""
    again = compare(first, second)
    return dict(
        compare(predicted, (first + second) / 2),
        repeat_tau=again['kendall_tau'],
        repeat_error=again['mean_error'],
    )


# ---------------------------------------------------------------------- blocks by name
def block_key(block: Block) -> str:
    return f'{block.place}({", ".join(f"{name}={n}" for name, n in block.sizes)})'


def place_of(key: str) -> str:
    """Return the place of a block's key."""
    return key.partition('(')[0]


def kind_of(key: str) -> str:
    """Return the kind of a block's key, the last word of its place."""
    return place_of(key).rpartition(' ')[2]


def _read(key: str) -> list[int]:
    return [int(part.split('=')[1]) for part in key[key.index('(') + 1 : -1].split(', ')]


# ---------------------------------------------------------------------- fits
def _polynomial(numbers: Iterable[int]) -> np.ndarray:
    numbers = [float(n) for n in numbers]
    return np.array([1.0, *numbers, *(a * b for a, b in combinations_with_replacement(numbers, 2))])


def fitted_weights(features: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights, none negative, by the relative error; what the features are divided by."""
    from scipy.optimize import nnls

    scale = np.maximum(np.abs(features).max(0), 1e-12)
    weights, _ = nnls(features / scale / times[:, None], np.ones(len(times)))
    return weights, scale


def rest_parts(task: SearchedModel, genes: np.ndarray, size: Size) -> dict[str, np.ndarray]:
    """Name -> GMACs of what is no block."""
    blocks = {block.part for block in task.net.blocks_of(task.space.largest)}
    return {
        name: np.asarray(values) / 1e9
        for name, values in task.total(genes, tuple(size)).breakdown.items()
        if name not in blocks
    }


def fit_rest(
    task: SearchedModel, genes: np.ndarray, size: Size, times: np.ndarray
) -> dict[str, float]:
    """Part -> milliseconds a GMAC; ``''``: those of every candidate."""
    parts = {
        name: values for name, values in rest_parts(task, genes, size).items() if np.ptp(values) > 0
    }
    features = np.stack([np.ones(len(genes)), *parts.values()], 1)
    weights, scale = fitted_weights(features, np.maximum(times, 1e-6))
    return dict(zip(['', *parts], map(float, weights / scale)))


def _read_table(path: str | Path) -> dict[str, Any]:
    """Return the content of a table, checked.

    Raises:
        UsageError: names the file, the key, and what stands there instead of what.
    """
    again = 'tools/benchmark.py CONFIG --build-table writes one'
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f'{path} is no latency table: {first_line(error)}; {again}') from error
    parts = ('about', 'check', 'rest', 'blocks')
    for found, wanted, place in (
        (content, parts, 'it'),
        *((content.get(part), (), part) for part in parts if isinstance(content, dict)),
    ):
        if not isinstance(found, dict):
            raise UsageError(
                f'{path} is no latency table: {place} is {shown_value(found)}, expected a mapping; '
                f'{again}'
            )
        if wanted and set(found) != set(wanted):
            raise UsageError(
                f'{path} is no latency table: it holds {shown_value(sorted(found))}, expected '
                f'{", ".join(parts)}; {again}'
            )
    try:
        _check_times(content)
    except UsageError as error:
        raise UsageError(f'{path} is no latency table: {error}; {again}') from error
    return content


def _check_times(content: Mapping[str, Any]) -> None:
    """Check what stands in each part of a table.

    Raises:
        UsageError: names the key, its value and what is allowed.
    """
    lacking = [key for key in ('space', 'input_size', 'model') if key not in content['about']]
    if lacking:
        raise UsageError(f'about has no {lacking[0]}')
    size = content['about']['input_size']
    if not (isinstance(size, list) and len(size) == 2):
        raise UsageError(f'about.input_size = {shown_value(size)}, expected [height, width]')
    try:
        get_space(content['about']['space'])
    except (ArchitectureError, TypeError) as error:
        raise UsageError(f'about.space: {error}') from error
    for name, value in content['check'].items():
        if isinstance(value, bool) or not isinstance(value, Real):
            raise UsageError(f'check.{name} = {shown_value(value)}, expected a number')
    for name, value in content['rest'].items():
        check_number(f'rest[{name!r}]', value, low=0)
    if '' not in content['rest']:
        raise UsageError("rest has no '', the milliseconds of every candidate")
    if not content['blocks']:
        raise UsageError('blocks is empty')
    sizes: dict[str, int] = {}
    for name, value in content['blocks'].items():
        if not BLOCK.fullmatch(name):
            raise UsageError(f'blocks[{name!r}]: expected a key like place(width=24, depth=2)')
        check_number(f'blocks[{name!r}]', value, above=0)
        place, number = place_of(name), name.count('=')
        if sizes.setdefault(place, number) != number:
            raise UsageError(f'blocks[{name!r}]: other blocks of {place} have {sizes[place]} sizes')


# ---------------------------------------------------------------------- what it is of
def _holds(given: Mapping[str, Any], space: Space) -> bool:
    """Return whether a space, as ``Space.to_dict`` gives it, has all choices of another one."""
    whole = get_space(dict(given))
    return whole.name == space.name and all(
        set(ours) <= set(theirs) for ours, theirs in zip(space.choices, whole.choices)
    )


def about_task(task: SearchedModel, size: Size) -> dict[str, Any]:
    """Return what a table is of, JSON types.

    Raises:
        UsageError: the space has genes of the task.
    """
    if task.space.task:
        raise UsageError(
            'a latency table is of one input size, one width of taps and one head, and the space '
            f'has genes of the task, {", ".join(field.name for field in task.space.task)}: leave '
            'them out of space.task, or measure candidates by an evaluator'
        )
    untimed = {'train_cfg', *kind_of_config(task.cfg.model).trains_only}
    model = {k: v for k, v in plain_types(task.cfg.model).items() if k not in untimed}
    model['backbone'] = {k: v for k, v in model['backbone'].items() if k not in FREE_OF_BACKBONE}
    timed = dict(space=task.space.to_dict(), input_size=list(size), model=_timed(model))
    if task.net.in_channels != 3:  # of the images; tables of before do not say it
        timed['in_channels'] = task.net.in_channels
    return json.loads(json.dumps(timed, default=str))


def _timed(part: Any) -> Any:
    """Keep what the time of a part of a config depends on, and of all parts in it."""
    if isinstance(part, list):
        return [_timed(entry) for entry in part]
    if not isinstance(part, Mapping):
        return part
    return {k: _timed(v) for k, v in part.items() if k not in FREE and not k.startswith('loss')}
