"""An artefact beside the model that it was made of, on the same images."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nasvit_mm.deploy.artefact import BOXES, CLASSES, Artefact
from nasvit_mm.deploy.graph import Graph
from nasvit_mm.deploy.images import in_batches
from nasvit_mm.deploy.matching import CLOSE, ROUGH, Objects, Tolerance, matched
from nasvit_mm.deploy.predictor import open_artefact
from nasvit_mm.deploy.runtimes import Torch
from nasvit_mm.errors import UsageError

WRONG = 0.9  # of what is compared: where less is equal, an artefact in float32 is not the model
M_PERTURB = -6  # of glibc's malloc.h
ROUNDING = 1e-3  # of the largest value, between two runs of one file
EQUAL = 0.999  # where less is equal, somebody should know


class Comparison(NamedTuple):
    """How an artefact stands to its model.

    Attributes:
        measured: for the card: ``compared_images``; of a label map ``equal_labels``, the share;
            else ``largest_difference`` of scores or logits; of boxes also ``equal_boxes``, the
            share, and ``compared_boxes``.
        what: is compared, in a word.
        equal: share of it that is the same, but for rounding; None: there was nothing.
    """

    measured: dict[str, Any]
    what: str
    equal: float | None


def compared(artefact: Artefact, graph: Graph, images: np.ndarray) -> Comparison:
    """Compare an artefact's outputs with those of the model, by PyTorch in float32.

    Args:
        images: uint8 (n, H, W, 3); where the artefact takes more at once they are repeated, so that
            each of its places is compared.
    """
    session = open_artefact(artefact)
    tolerance = CLOSE if artefact.precision == 'fp32' else ROUGH
    batch = artefact.batch or len(images)
    counts = []  # (equal, of, ...) a place
    for given in in_batches(images, batch):
        found = session.run(given)
        for index in range(batch):
            own = {name: values[index] for name, values in found.items()}
            with torch.inference_mode():
                counts.append(_place(graph, torch.from_numpy(given[index][None]), own, tolerance))
    same, of, exact, difference = map(np.array, zip(*counts))
    measured, equal = dict(compared_images=len(images)), None
    if of.any():
        equal = float(same.sum() / of.sum())
    if graph.task == BOXES:
        measured['compared_boxes'] = int(of.sum()) // 2  # each is seen from both
    if graph.task == BOXES and equal is not None:
        measured['equal_boxes'] = equal
    if graph.task in (BOXES, CLASSES) or graph.logits:
        measured['largest_difference'] = float(difference.max())
    else:
        measured['equal_labels'] = float(exact.mean())
    if artefact.runtime != Torch.name and not repeats(artefact, images):
        raise UsageError(
            f'--to {artefact.runtime}: in {artefact.precision} the artefact answers otherwise each '
            'time it is loaded, and nothing was written: the runtime reads memory that it has not '
            'written; take another precision, another version of it, or another --to'
        )
    segmentors = 'logits' if graph.logits else 'labels'
    what = {BOXES: 'boxes', CLASSES: 'scores'}.get(graph.task, segmentors)
    return Comparison(measured, what, equal)


def repeats(artefact: Artefact, images: np.ndarray) -> bool:
    """Return whether an artefact that is loaded again says the same of an image, but for rounding.

    A runtime that reads memory which it has not written does not: what new memory holds is another
    value in each.  On one thread, as memory is then used again the most.
    """
    image = np.resize(images, (artefact.batch or 1, *images.shape[1:]))
    found = []
    for byte in (0, 0x81, 0x01):  # the complement of 0x81 makes floats of 8e37, that of 0x01 -2e38
        with new_memory_of(byte):
            found.append(open_artefact(artefact, 1).run(image))
    first = found[0]
    return all(_same(first[name], again[name]) for again in found[1:] for name in first)


@contextmanager
def new_memory_of(byte: int) -> Iterator[None]:
    """Let memory that is handed out be filled with the complement of a byte, where the C library is
    glibc; 0: let it be as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        yield
        return
    mallopt(M_PERTURB, byte)
    try:
        yield
    finally:
        mallopt(M_PERTURB, 0)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    one, other = one.astype(np.float64), other.astype(np.float64)
    near = np.abs(one - other) <= ROUNDING * np.nanmax(np.abs(one), initial=0)
    near |= np.isnan(one) & np.isnan(other)
    return bool(near.mean() >= EQUAL) if near.size else True


def verdict(artefact: Artefact, found: Comparison, others: Sequence[str]) -> list[str]:
    """Return what who uses an artefact has to know of how it stands to its model.

    Args:
        others: runtimes that the same model may be written for.

    Raises:
        UsageError: in float32 it is another function.
    """
    number = found.measured['compared_images']
    if found.equal is None:
        return [
            f'the model sees no object in the {number} images on which the artefact was compared '
            'with PyTorch, so its boxes were not: nasvit-mm test CONFIG DIR measures it'
        ]
    said = f'{100 * found.equal:.4g} % of the {found.what} of {number} images are those of PyTorch'
    elsewhere = ' or '.join(f'--to {name}' for name in others)
    if artefact.precision == 'fp32':
        if found.equal < WRONG:
            raise UsageError(
                f'--to {artefact.runtime}: the artefact is not the model, and nothing was written: '
                f'{said}, beyond rounding; the runtime computes an operation in another way: '
                f'{elsewhere}'
            )
        if found.equal < EQUAL:
            return [
                f'{said}, beyond rounding: {artefact.runtime} may compute an operation in another '
                f'way; compare the metric of both by nasvit-mm test, or take {elsewhere}'
            ]
    elif found.equal < WRONG:
        remedies = dict(
            int8='--max-drop 1.0 leaves in float what costs most, --calibrate takes more images',
            bf16='leave --bf16 out',
        )
        return [
            f'in {artefact.precision} {said}: nasvit-mm test CONFIG DIR says what it costs; '
            f'{remedies[artefact.precision]}'
        ]
    return []


def _place(
    graph: Graph, image: Tensor, found: Mapping[str, np.ndarray], tolerance: Tolerance
) -> tuple[int, int, float, float]:
    """Compare one image: how much is equal but for rounding, of how much; the share that is equal
    to the last digit; the largest difference.

    Args:
        image: (1, H, W, 3).
        found: the artefact's outputs for it.
    """
    if graph.task == BOXES:
        wanted = {n: v[0].numpy() for n, v in zip(graph.output_names, graph(image))}
        same, of = matched(_objects(graph, found), _objects(graph, wanted), tolerance)
        scores = (np.sort(each['scores']) for each in (found, wanted))
        return same, of, 0.0, float(np.abs(np.subtract(*scores)).max(initial=0))
    if graph.task == CLASSES:
        difference = np.abs(found['scores'] - graph(image)[0].numpy()).max()
        return int(difference <= tolerance.score), 1, 0.0, float(difference)
    logits, difference = graph.class_logits(image), 0.0  # (1, classes, H, W)
    near = (tolerance.logit or 0.0) * logits.abs().max()
    if graph.logits:
        given = torch.from_numpy(found['logits'])[None]
        labels, apart = graph.labels(given).long(), (given - logits).abs()
        difference = float(apart.max())
    else:
        labels = torch.from_numpy(found['label_map'].astype(np.int64))[None]  # (1, H, W)
    exact = labels == graph.labels(logits)
    same = exact | (_lost(graph, logits, labels) <= near)
    if graph.logits and tolerance.logit is not None:
        same &= (apart <= near).all(1)
    return int(same.sum()), same.numel(), float(exact.float().mean()), difference


def _lost(graph: Graph, logits: Tensor, labels: Tensor) -> Tensor:
    """Return by how much the logits of labels are below the best ones, (1, H, W)."""
    if logits.shape[1] == 1:  # of the other label: to the threshold
        threshold = torch.tensor(graph.model.decode_head.threshold).logit()
        return (logits[:, 0] - threshold).abs()
    known = labels.clamp(max=logits.shape[1] - 1)
    lost = logits.max(1).values - logits.gather(1, known[:, None])[:, 0]
    return lost.masked_fill(labels != known, torch.inf)


def _objects(graph: Graph, found: Mapping[str, np.ndarray]) -> Objects:
    masks = found['masks'] > graph.masks.threshold if graph.masks else None
    return Objects(found['boxes'], found['scores'], found['labels'], masks)
