"""A latency table of a runtime: networks written as it takes them, timed here or elsewhere."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasvit_mm.dense import SearchedModel, Size, build_model
from nasvit_mm.deploy import formats, networks, time_networks
from nasvit_mm.deploy.artefact import BOXES, STRETCH, Fit
from nasvit_mm.deploy.exporting import exported_program, missing_package
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.latency import covering
from nasvit_mm.deploy.latency_table import (
    LatencyTable,
    about_task,
    block_key,
    checked,
    kind_of,
    rest_parts,
)
from nasvit_mm.deploy.make import write_artefact
from nasvit_mm.deploy.runtimes import LiteRt, OnnxRuntime, OpenVino, Session, get_runtime
from nasvit_mm.errors import UsageError, check_number, first_line, shown_path, shown_value
from nasvit_mm.files import write_text
from nasvit_mm.spaces import Arch

BATCH = 8  # blocks that torch writes together
FITTED = 24  # whole networks by which a table is fitted
# A whole network repeats itself within some 2 %, a factor is 1 within some 30 %.
TRUST = 0.02 / 0.3
KITS = tuple(time_networks.RUNTIMES)  # runtimes that a kit's script times
LEAST = 0.05  # factor of a block
ARTEFACT = 'artefact'  # a kit's one whole artefact, and the folder it lies in
Progress = Callable[[int, int], None]


def write_kit(
    task: SearchedModel,
    size: Size,
    folder: str | Path,
    runtime: str,
    precision: str = 'fp32',
    fitted: int = FITTED,
    unseen: int = 30,
    batch_size: int = 1,
    progress: Progress | None = None,
) -> None:
    """Write every block of a space, some whole networks and one artefact, as a runtime takes them.

    Beside them lie ``kit.json``, which tells what they are, and ``time_networks.py``, which times
    them without this package.  Weights are random, and in float one file holds those of all blocks
    and networks.

    Args:
        size: (H, W) of the images.
        folder: to write to; empty or not there.
        runtime, precision: see :data:`nasvit_mm.deploy.RUNTIMES`.
        fitted: whole networks by which the table is fitted.
        unseen: whole networks by which it is checked.
        progress: ``progress(done, of)``.

    Raises:
        UsageError: the runtime cannot be written for here, or lacks the precision.
    """
    kind, folder = get_runtime(runtime), Path(folder)
    check_kit(kind, precision, batch_size)
    of = about_task(task, size)
    folder.mkdir(parents=True, exist_ok=True)
    chosen, strangers = _chosen(task, fitted, unseen)
    about: dict[str, dict[str, Any]] = {}
    known: dict[str, Any] = {}  # block -> what was written of it

    def write(
        name: str, model: Any, shape: Sequence[int], twice: bool = False, **what: Any
    ) -> None:
        file = write_network(model, folder / name, shape, kind, precision)
        about[name] = dict(file=file.name, shape=list(shape), twice=twice, **what)

    for i, arch in enumerate([*chosen, *strangers]):
        whole = networks.Whole(task, arch, size, batch_size)
        new = list({b.key: b for b in whole.blocks if b.key not in known}.values())
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            for block, model in zip(batch, _models(batch, kind), strict=True):
                write(f'block{len(known)}', model, block.taken, block=block.key)
                known[block.key] = model
        if kind in GRAPHS:
            model = networks.put_together(
                networks.exported(*whole.between()), [known[block.key] for block in whole.blocks]
            )
        else:
            model = whole.network
        write(f'network{i}', model, whole.shape, i >= len(chosen), arch=arch.to_dict())
        if progress:
            progress(i + 1, len(chosen) + len(strangers))
    quickest = task.total(task.space.genes(chosen), tuple(size)).macs.argmin()
    reference = f'network{quickest}'
    made = _artefact(task, chosen[quickest], size, folder, kind, precision, batch_size)
    if made is not None:
        about[ARTEFACT] = dict(made, twice=True, artefact_of=reference)
    kit = dict(
        about=dict(of, batch_size=batch_size),
        runtime=runtime,
        precision=precision,
        reference=reference,
        networks=about,
    )
    shutil.copy(time_networks.__file__, folder)
    write_text(folder / time_networks.KIT, json.dumps(kit, indent=1) + '\n')


GRAPHS = (OnnxRuntime, OpenVino)  # runtimes that take ONNX, which is put together


def check_kit(kind: type[Session], precision: str, batch_size: int) -> None:
    """Check that networks can be written for a runtime.

    Raises:
        UsageError: names what is lacking.
    """
    kind.check_precision(precision)
    kind.module()
    missing = kind in GRAPHS and missing_package('onnx', 'onnxscript')
    if missing:
        raise UsageError(f'writing ONNX needs {missing}: pip install "nasvit_mm[deploy]"')
    if precision == 'int8' and batch_size != 1:
        raise UsageError(f'--batch-size {batch_size}: int8 networks are of one image')


def time_kit(
    folder: str | Path, threads: int, rounds: int = 10, progress: Progress | None = None
) -> dict[str, Any]:
    """Time the networks of a kit on this machine, as its script does.

    Returns:
        ``kit``, ``times`` (milliseconds by network), ``version``, ``threads``, ``device``.
    """
    kit = json.loads(Path(folder, time_networks.KIT).read_text(encoding='utf-8'))
    kind = get_runtime(kit['runtime'])
    times = time_networks.measure(
        kit, lambda file: kind(Path(folder, file), threads, kit['precision']).run, rounds, progress
    )
    return dict(
        kit=kit,
        times=times,
        version=kind.version(),
        threads=threads,
        device=time_networks.device_name(),
    )


def build_runtime_table(
    task: SearchedModel,
    size: Size,
    runtime: str,
    precision: str = 'fp32',
    threads: int = 1,
    rounds: int = 10,
    fitted: int = FITTED,
    unseen: int = 30,
    batch_size: int = 1,
    progress: Progress | None = None,
) -> LatencyTable:
    """Write a kit, time it here, and make the table; arguments as of :func:`write_kit` and
    :func:`time_kit`.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_kit(task, size, folder, runtime, precision, fitted, unseen, batch_size, progress)
        return table_of_times(task, time_kit(folder, threads, rounds, progress))


def read_times(path: str | Path, task: SearchedModel, size: Size) -> LatencyTable:
    """Make the table out of what the script of a kit wrote on a device.

    Raises:
        UsageError: no such file, one that is cut, or a kit of another model or input size.
    """
    path, again = Path(path), 'the time_networks.py of a kit writes one'
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
        _check_times(found)
        about = found['kit']['about']
    except UsageError as error:
        raise UsageError(f'{shown_path(path)} {error}: {again}') from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f'{shown_path(path)} holds no times of a kit ({first_line(error)}): {again}'
        ) from error
    for key, value in about_task(task, size).items():
        if about.get(key) != value:
            raise UsageError(
                f'{shown_path(path)} is of another {key}: {shown_value(about.get(key))}, here '
                f'{shown_value(value)}; write a kit for this task'
            )
    return table_of_times(task, found)


def _check_times(found: Mapping[str, Any]) -> None:
    """Check what the script of a kit wrote.

    Raises:
        UsageError: names the network and what is wrong with its times; others of what is missing.
    """
    networks, times = found['kit']['networks'], found['times']
    for name, network in networks.items():
        given, wanted = times.get(name), 2 if network['twice'] else 1
        if not given:
            raise UsageError(f'has no time of {name}')
        if not isinstance(given, list) or len(given) != wanted:
            raise UsageError(
                f'says times[{name!r}] = {shown_value(given)}, expected {wanted} in a list'
            )
        try:
            for value in given:
                check_number(f'times[{name!r}]', value, above=0)
        except UsageError as error:
            raise UsageError(f'says {error}') from error
    for key, what in (('block', 'block'), ('arch', 'whole network')):
        if not any(key in network for network in networks.values()):
            raise UsageError(f'has no {what}')
    for network in networks.values():
        if 'artefact_of' in network and network['artefact_of'] not in networks:
            raise UsageError(f'has no {network["artefact_of"]}, of which it has the artefact')
    for part, keys in (
        (found, ('device', 'threads', 'version')),
        (found['kit'], ('runtime', 'precision')),
    ):
        for key in keys:
            part[key]  # or it is not what the script wrote


def table_of_times(task: SearchedModel, found: Mapping[str, Any]) -> LatencyTable:
    """Make the table of what :func:`time_kit` returns, and check it.

    A block alone takes and gives maps in the layout of its interface, which inside a network stay
    in that of the runtime; so the blocks of each kind count by a factor, which is fitted on whole
    networks together with what no block is: near 1 where these do not say otherwise.  What an
    artefact takes more than its network, from bytes and to labels, counts for every candidate;
    ``about['artefact_ms']`` says it, where the kit has an artefact.
    """
    kit, times = found['kit'], found['times']
    about = {key: value for key, value in kit['about'].items() if key != 'batch_size'}
    about |= dict(
        batch_size=kit['about']['batch_size'],
        device=found['device'],
        threads=found['threads'],
        runtime=kit['runtime'],
        precision=kit['precision'],
        version=found['version'],
    )
    blocks, seen, unseen, more = {}, [], [], None
    for name, network in kit['networks'].items():
        if 'block' in network:
            blocks[network['block']] = times[name][0]
        elif 'artefact_of' in network:
            more = max(float(np.mean(times[name])) - times[network['artefact_of']][0], 0.0)
        else:
            (unseen if network['twice'] else seen).append((network['arch'], times[name]))
    archs = [task.space.arch(arch) for arch, _ in seen]
    factors, rest = _fitted(task, about['input_size'], archs, blocks, [t[0] for _, t in seen])
    about['networks'] = len(seen)
    scaled = {key: value * factors[kind_of(key)] for key, value in sorted(blocks.items())}
    table = LatencyTable(task, about, scaled, rest, {})
    if unseen:
        genes = task.space.genes([task.space.arch(arch) for arch, _ in unseen])
        table.check.update(checked(table.milliseconds(genes), *np.array([t for _, t in unseen]).T))
    if more is not None:  # after the check, which is of networks
        table.about['artefact_ms'] = round(more, 4)
        table.rest[''] += more
    return table


def _fitted(
    task: SearchedModel,
    size: Size,
    archs: Sequence[Arch],
    blocks: Mapping[str, float],
    totals: Sequence[float],
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the factor of each kind of blocks, and milliseconds of what no block is, see
    :class:`LatencyTable`.
    """
    from scipy.optimize import nnls

    kinds = sorted({kind_of(key) for key in blocks})
    alone = np.zeros((len(archs), len(kinds)))
    for row, arch in zip(alone, archs):
        for key in map(block_key, task.net.blocks_of(arch)):
            row[kinds.index(kind_of(key))] += blocks[key]
    parts = {
        name: values
        for name, values in rest_parts(task, task.space.genes(archs), size).items()
        if np.ptp(values) > 0
    }
    others = np.stack([np.ones(len(archs)), *parts.values()], 1)
    scale = np.maximum(others.max(0), 1e-12)
    features = np.concatenate([alone, others / scale], 1) / np.array(totals)[:, None]
    prior = TRUST * np.eye(len(kinds), features.shape[1])
    weights, _ = nnls(
        np.concatenate([features, prior]),
        np.concatenate([np.ones(len(archs)), np.full(len(kinds), TRUST)]),
    )
    factors = np.maximum(weights[: len(kinds)], LEAST)
    rest = weights[len(kinds) :] / scale
    return dict(zip(kinds, factors)), dict(zip(['', *parts], map(float, rest)))


# ---------------------------------------------------------------------- writing
def _chosen(task: SearchedModel, fitted: int, unseen: int) -> tuple[list[Arch], list[Arch]]:
    """Return architectures that show all blocks and fit the table, and others that check it."""
    space = task.space
    chosen, seen = [], set()
    for arch in covering(task):
        blocks = set(task.net.blocks_of(arch))
        if len(chosen) >= fitted and blocks <= seen:
            break  # and so are those of all that follow
        chosen.append(arch)
        seen |= blocks
    random = space.sample_usable(1, 4 * unseen)
    return chosen, [arch for arch in random if arch not in set(chosen)][:unseen]


def _artefact(
    task: SearchedModel,
    arch: Arch,
    size: Size,
    folder: Path,
    kind: type[Session],
    precision: str,
    batch_size: int,
) -> dict[str, Any] | None:
    """Write the artefact of an architecture, whose time beside its network tells what is around it:
    normalisation, and labels out of logits.

    Returns:
        ``file``, ``shape`` and ``dtype`` of what it takes; None where there is none whose network
        is the one beside it, and for a detector, whose non-maximum suppression takes as long as
        there are boxes.
    """
    if kind is LiteRt and batch_size != 1:  # its artefacts take one image
        return None
    try:
        graph = Graph(build_model(task.config(arch)), tuple(size)).eval()
    except UsageError:
        return None
    if graph.task == BOXES or graph.padded != graph.size:
        return None
    (folder / ARTEFACT).mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    made = write_artefact(
        graph,
        folder / ARTEFACT,
        kind,
        precision,
        batch_size,
        Fit(STRETCH),
        noise,
        {},
        {},
        correct=False,
    )
    file = f'{ARTEFACT}/{next(iter(made.files))}'
    return dict(file=file, shape=[batch_size, *size, 3], dtype='uint8')


def _models(blocks: Sequence[networks.Seen], kind: type[Session]) -> list[Any]:
    if kind in GRAPHS:
        return networks.exported_blocks(blocks)
    return [block.network for block in blocks]


def write_network(
    model: Any, path: Path, shape: Sequence[int], kind: type[Session], precision: str
) -> Path:
    """Write a network as a runtime takes it, to measure its time; return its file.

    In float its weights are not kept: files of one folder share random ones.

    Args:
        model: a network of one float input, or its ONNX model.
        path: of the file, without a suffix.
        shape: of the input.
    """
    path = path.with_suffix(kind.suffix if precision == 'int8' or kind not in GRAPHS else '.onnx')
    if kind is LiteRt:
        formats.write_litert(model.eval(), (torch.zeros(*shape),), path)
        return path
    if kind not in GRAPHS:
        formats.write_torch(exported_program(model.eval(), (torch.zeros(*shape),)), path)
        return path
    if isinstance(model, torch.nn.Module):
        model = networks.exported(model, [tuple(shape)])
    if precision == 'int8':
        _quantise(model, path, shape, kind)
    else:
        networks.save(networks.with_shared_weights(model, path.parent), path)
    return path


def _quantise(model: Any, path: Path, shape: Sequence[int], kind: type[Session]) -> None:
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        between = Path(folder, 'model.onnx')
        networks.save(model, between)
        if kind is OpenVino:
            formats.write_openvino(between, between.with_suffix('.xml'), {})
            between = between.with_suffix('.xml')
        formats.quantise(between, path, noise, kind, [], correct=False)
