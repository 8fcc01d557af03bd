"""Malformed inputs of every kind: each is taken, or ends in one of our errors, and none hangs.

An input is a function of its seed, which a failure prints with it.  Some are tried in every run,
500 by `make nightly`.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import random
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from PIL import Image

import nasvit_mm.compat  # noqa: F401 (before mmseg)
from nasvit_mm import apis, get_space
from nasvit_mm.checkpoints import read_checkpoint
from nasvit_mm.cli import train as train_command
from nasvit_mm.cli.common import parse
from nasvit_mm.data import PassCache, Problems, look_at_label_maps
from nasvit_mm.data.coco_json import check_coco, read_coco
from nasvit_mm.demo_data import write_ade20k, write_coco
from nasvit_mm.dense import SearchedModel
from nasvit_mm.deploy import Artefact, LatencyTable, build_latency_table, latency, record
from nasvit_mm.deploy.predictor import ready_for
from nasvit_mm.errors import UsageError
from nasvit_mm.search import Archive, Search, read_search
from tests.commands import ROOT
from tests.test_data.test_coco_json import content as coco_content
from tests.test_deploy.models import written
from tests.test_deploy.test_latency import SIZE, Device, task

SECONDS = 60  # that one input may take
SPACES = ('nasvit', 'elasticvit', 'vitas_deit_small', 'vitas_twins')
VALUES: list[Any] = [
    None,
    True,
    False,
    -1,
    0,
    1,
    3,
    0.5,
    -0.5,
    math.nan,
    math.inf,
    10**30,
    10**400,
    '',
    'x',
    '3',
    'ü\x1b[31m[bold]',
    [],
    [None],
    [1, 2],
    [[1], 'x'],
    {},
    {'a': 1},
    {'type': 'Nothing'},
    {'type': None},
]
Case = Callable[[random.Random, Path], tuple[str, Callable[[], Any]]]
CASES: dict[str, Case] = {}
NUMBERS = dict(  # of inputs, 500 in all
    segmentation=50,
    detection=50,
    supernet=20,
    search=60,
    options=40,
    coco=80,
    label_maps=60,
    architectures=60,
    archives=20,
    latency_tables=20,
    checkpoints=20,
    artefacts=20,
)
QUICK = dict(  # of those that build no model to train, 20 in all
    coco=4,
    architectures=4,
    archives=3,
    checkpoints=3,
    label_maps=2,
    artefacts=2,
    options=1,
    search=1,
)


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


# ---------------------------------------------------------------------- mutations
def places(tree: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the keys down to every value of nested dicts and lists."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, (dict, list, tuple)):
            yield from places(value, (*path, key))


def parent_of(tree: Any, path: tuple) -> Any:
    for key in path[:-1]:
        tree = tree[key]
    return tree


def mutate(rng: random.Random, tree: Any) -> str:
    """Change one value somewhere, remove it, or misspell its key; return what was done."""
    path = rng.choice([p for p in places(tree) if not isinstance(parent_of(tree, p), tuple)])
    parent, how = parent_of(tree, path), rng.random()
    where = '.'.join(map(str, path))
    if how < 0.15:
        del parent[path[-1]]
        return f'{where} removed'
    if how < 0.25 and isinstance(parent, dict):
        parent[f'{path[-1]}x'] = parent.pop(path[-1])
        return f'{where} misspelt'
    value = copy.deepcopy(rng.choice(VALUES))
    parent[path[-1]] = value
    return f'{where} = {str(value)[:40]!r} ({type(value).__name__})'


def damage(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """Cut bytes off, change some, or put others in their place."""
    how, place = rng.choice(('cut', 'changed', 'zeros', 'other')), rng.randrange(max(1, len(data)))
    if how == 'cut':
        return f'cut at {place}', data[:place]
    if how == 'changed':
        byte = rng.randrange(256)
        return f'byte {place} = {byte}', data[:place] + bytes([byte]) + data[place + 1 :]
    if how == 'zeros':
        return f'64 zeros at {place}', data[:place] + bytes(64) + data[place + 64 :]
    return 'other bytes', rng.choice(
        (b'', b'\n', b'null', b'[]', b'{}', b'\xff\xfe\x00', b'PK\3\4')
    )


# ---------------------------------------------------------------------- configs
@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('fuzz')


def write_data(root: Path) -> None:
    """Write a small data set where there is none yet."""
    if root.name == 'ade20k':
        write_ade20k(root, 4, 2, height=64, width=96, progress=False)
    elif root.name == 'coco':
        write_coco(root, 4, 2, height=64, width=96, progress=False)
    elif not root.exists():
        for name in ('train/a', 'train/b', 'val/a', 'val/b'):
            (root / name).mkdir(parents=True)
            grey = np.full((48, 48, 3), sum(name.encode()) % 256, np.uint8)
            Image.fromarray(grey).save(root / name / '0.png')


@functools.cache
def searched() -> SearchedModel:
    return task('nasvit')


@functools.cache
def table_text(home: Path) -> str:
    """Return a latency table of a device whose times are known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, '_Stopwatch', Device)
        build_latency_table(searched(), SIZE, networks=10).save(home / 'table.json')
    return (home / 'table.json').read_text()


def small_config(name: str, data: Path) -> dict[str, Any]:
    """Return a config of configs/demo over a small data set, without processes of loaders."""
    write_data(data)
    cfg = Config.fromfile(ROOT / f'configs/demo/{name}.py').to_dict()

    def rooted(node: Any) -> None:
        for key, value in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
            if isinstance(value, str) and value.startswith('data/demo/'):
                rest = value.removeprefix('data/demo/').partition('/')[2]
                node[key] = f'{data}/{rest}' if rest else str(data)
            elif isinstance(value, (dict, list)):
                rooted(value)
            if key == 'num_workers':
                node[key] = 0
            elif key == 'persistent_workers':
                node[key] = False

    rooted(cfg)
    return cfg


def training(name: str, data: str) -> Case:
    def made(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
        cfg = small_config(name, home / data)
        what = mutate(rng, cfg)
        return what, lambda: apis.train(cfg, work_dir=home / 'work')

    return made


CASES['segmentation'] = training('nasvit_demo', 'ade20k')
CASES['detection'] = training('nasvit_detection', 'coco')
CASES['supernet'] = training('nasvit_supernet', 'patches')


@case
def search(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    cfg = Config.fromfile(ROOT / 'configs/search/nasvit_ade20k_5g_search.py').to_dict()
    cfg['task'] = str(ROOT / 'configs/demo/nasvit_demo.py')
    what = mutate(rng, cfg)
    return what, lambda: read_search(Config(cfg), None)


@case
def options(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    cfg = small_config('nasvit_demo', home / 'ade20k')
    path = [str(key) for key in rng.choice(list(places(cfg)))]
    if rng.random() < 0.3:
        path[rng.randrange(len(path))] += rng.choice(('x', '', '.', ' '))
    texts = ('', '1', 'None', 'x', '[1,2', '(1,', 'dict(', 'dict(a=1)', "{'a':", '1e400', '=', '"')
    text = '.'.join(path) + rng.choice(('=', '=', '=', '')) + rng.choice(texts)
    file = home / 'config.py'
    file.write_text(Config(cfg).pretty_text)

    def run() -> None:
        args = parse(None, train_command.add_arguments, [str(file), '--cfg-options', text])
        apis.train(args.config, work_dir=home / 'work', options=args.cfg_options)

    return text, run


# ---------------------------------------------------------------------- data
@case
def coco(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    content, path = coco_content(), home / 'a.json'
    what = ', '.join(mutate(rng, content) for _ in range(rng.randrange(1, 4)))
    data = json.dumps(content).encode()
    if rng.random() < 0.3:
        what, data = damage(rng, data)
    path.write_bytes(data)

    def run() -> None:
        problems = Problems()
        split = rng.choice(('train', 'val'))
        check_coco(str(path), read_coco(path), split, problems, masks=rng.random() < 0.7)
        problems.raise_if_any()

    return what, run


@case
def label_maps(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    from mmseg.datasets import BaseSegDataset

    init_default_scope('mmseg')
    root = home / 'maps'
    for sub in ('img', 'ann'):
        (root / sub).mkdir(parents=True, exist_ok=True)
    size = rng.choice(((8, 6), (8, 6), (6, 8), (1, 1), (8, 5)))
    mode = rng.choice(('1', 'L', 'P', 'I;16', 'I', 'RGB', 'RGBA', 'LA', 'CMYK'))
    form = rng.choice(('png', 'tiff', 'jpeg', 'gif', 'bmp', 'webp'))
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 4).resize(size)
    Image.new('RGB', (8, 6)).save(root / 'img/a.jpg')
    try:
        image.convert(mode).save(root / 'ann/a.png', format=form)
    except (OSError, ValueError, KeyError):  # this format has no such mode
        image.save(root / 'ann/a.png')
    what = f'mask of {size}, {mode}, {form}'
    victim = root / rng.choice(('img/a.jpg', 'ann/a.png'))
    if rng.random() < 0.5:
        how, data = damage(rng, victim.read_bytes())
        victim.write_bytes(data)
        what += f'; {victim.name} {how}'
    data = BaseSegDataset(
        data_root=str(root),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('x', 'y', 'z', 'w'), palette=[[0, 0, 0]] * 4),
        reduce_zero_label=rng.random() < 0.3,
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
    )

    def run() -> None:
        problems = Problems()
        look_at_label_maps(data, 'train', problems, PassCache(None))
        problems.raise_if_any()
        data[0]  # what was not refused can be read

    return what, run


# ---------------------------------------------------------------------- search and weights
@case
def architectures(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    space = get_space(rng.choice(SPACES))
    arch = space.sample(np.random.default_rng(rng.randrange(10**6)))
    given: Any = arch.to_dict()
    what = mutate(rng, given)
    form = rng.choice(('mapping', 'text', 'json', 'yaml', 'damaged'))
    if form == 'text':
        what, data = damage(rng, str(arch).encode())
        given = data.decode(errors='replace')
    elif form != 'mapping':
        path = home / f'arch.{"yaml" if form == "yaml" else "json"}'
        data = json.dumps(given).encode()
        if form == 'damaged':
            what, data = damage(rng, data)
        path.write_bytes(data)
        given = str(path)

    def run() -> None:
        taken = space.arch(given)
        assert space.arch(str(taken)) == taken

    return f'{space.name}, {form}: {what}', run


@case
def archives(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    space, folder = get_space('nasvit'), home / 'found'
    folder.mkdir(exist_ok=True)
    identity = dict(
        space=space.to_dict(), objectives=[dict(metric='macs', goal='min')], constraints=[], seed=0
    )
    lines: list[Any] = [identity]
    for index in range(3):
        arch = space.sample(np.random.default_rng(index)).to_dict()
        record = dict(index=index, generation=0, arch=arch, costs=dict(macs=index), metrics={})
        lines.append(record)
    what = mutate(rng, lines)
    data = b''.join(json.dumps(line).encode() + b'\n' for line in lines)
    if rng.random() < 0.4:
        what, data = damage(rng, data)
    (folder / 'archive.jsonl').write_bytes(data)

    def run() -> None:
        Archive.open(folder, identity, resume=True).close()
        Search.load(folder).front()

    return what, run


@case
def latency_tables(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    content, path = json.loads(table_text(home)), home / 'other.json'
    what = mutate(rng, content)
    data = json.dumps(content).encode()
    if rng.random() < 0.4:
        what, data = damage(rng, data)
    path.write_bytes(data)
    of = searched()

    def run() -> None:
        table = LatencyTable.load(path, of, SIZE)
        found = table.milliseconds(of.space.genes([of.space.smallest]))
        assert np.isfinite(found).all()

    return what, run


@case
def checkpoints(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    content: Any = dict(
        state_dict={f'layer{i}.weight': torch.ones(2, 2) for i in range(3)},
        meta=dict(epoch=1, iter=4, cfg='a = 1'),
        optimizer=dict(state={}, param_groups=[dict(lr=0.1)]),
    )
    path, what = home / 'a.pth', mutate(rng, content)
    torch.save(content, path)
    if rng.random() < 0.5:
        what, data = damage(rng, path.read_bytes())
        path.write_bytes(data)
    return what, lambda: read_checkpoint(path)


@case
def artefacts(rng: random.Random, home: Path) -> tuple[str, Callable[[], Any]]:
    folder = home / 'artefact'
    folder.mkdir(exist_ok=True)
    written(folder)
    path = folder / 'deploy.json'
    content = json.loads(path.read_text())
    what, data = mutate(rng, content), json.dumps(content).encode()
    if rng.random() < 0.3:
        what, data = damage(rng, data)
    path.write_bytes(data)

    def run() -> None:
        found = Artefact.load(folder)
        ready_for(found, Image.new('RGB', (8, 6)))
        record(found, dict(metric=dict(mIoU=1.0)))

    return what, run


# ---------------------------------------------------------------------- the tests
@contextmanager
def limited() -> Iterator[None]:
    """Raise where something hangs."""

    def stop(*args: Any) -> None:
        raise TimeoutError(f'more than {SECONDS} seconds')

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def failure(name: str, seed: int, home: Path) -> str:
    """Try one input; return how it failed, nothing if it did not."""
    what, run = CASES[name](random.Random(f'{name} {seed}'), home)
    try:
        with limited():
            run()
    except UsageError as error:
        text = str(error)
        return (
            '' if text.strip() and 'Traceback' not in text else f'{name} {seed}: {what}: {text!r}'
        )
    except SystemExit as error:  # of argparse, which has said why
        return '' if error.code == 2 else f'{name} {seed}: {what}: exit {error.code}'
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return (
            f'{name} {seed}: {what}: {type(error).__name__}: {str(error)[:200]} '
            f'({Path(last.filename).name}, line {last.lineno})'
        )
    return ''


def try_all(name: str, seeds: range, home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(home)
    for loop in (IterBasedTrainLoop, EpochBasedTrainLoop):
        patch.setattr(loop, 'run', lambda self: None)  # all is built and checked, no step taken
    found = list(filter(None, (failure(name, seed, home) for seed in seeds)))
    assert not found, '\n'.join([f'{len(found)} of {len(seeds)} inputs:', *found])


@pytest.mark.parametrize(('name', 'number'), QUICK.items())
def test_some_malformed_inputs(
    name: str, number: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try_all(name, range(number), home, monkeypatch)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize('name', NUMBERS)
def test_malformed_inputs(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try_all(name, range(NUMBERS[name]), home, monkeypatch)
