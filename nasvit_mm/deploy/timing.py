"""Latency of artefacts, each by its own runtime, one call after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasvit_mm.deploy.artefact import CARD, Artefact
from nasvit_mm.deploy.card import card_text
from nasvit_mm.deploy.measure import device_name, measure_seconds
from nasvit_mm.deploy.predictor import open_artefact
from nasvit_mm.errors import UsageError, shown_path
from nasvit_mm.files import write_text


def time_artefacts(
    folders: Sequence[str | Path],
    rounds: int = 20,
    threads: int | None = None,
    device: str = 'cpu',
    batch: int | None = None,
) -> list[dict[str, Any]]:
    """Time several artefacts in one run, in turn: a machine that slows down slows all.

    Args:
        folders: the artefacts.
        rounds: timed calls of each.
        threads: of the CPU; None: all that this process may use.
        device: as the runtime names it.
        batch: images at once, of artefacts that take any number; None: one.

    Returns:
        For each artefact ``artefact``, ``median_ms``, ``p10_ms``, ``p90_ms`` of a batch,
        ``batch``, ``threads``, ``device``, and ``ratio``, the median over the first one's of the
        same rounds.

    Raises:
        UsageError: no artefact, one of another batch, or a runtime or device that is missing.
    """
    artefacts = [Artefact.load(folder) for folder in folders]
    for artefact in artefacts:
        if artefact.batch and batch not in (None, artefact.batch):
            raise UsageError(
                f'--batch-size {batch}: {shown_path(artefact.folder)} takes batches of '
                f'{artefact.batch} alone: leave it out, or deploy with --batch {batch}'
            )
    batches = [artefact.batch or batch or 1 for artefact in artefacts]
    calls, used = {}, {}
    for index, artefact in enumerate(artefacts):
        session = open_artefact(artefact, threads, device)
        images = np.random.default_rng(0).integers(
            0, 256, (batches[index], *artefact.size, 3), np.uint8
        )
        used[index] = session.threads
        calls[str(index)] = lambda session=session, images=images: session.run(images)
    seconds = measure_seconds(calls, rounds)
    first = seconds['0']
    return [
        dict(
            artefact=artefact,
            median_ms=1e3 * float(np.median(seconds[str(index)])),
            p10_ms=1e3 * float(np.quantile(seconds[str(index)], 0.1)),
            p90_ms=1e3 * float(np.quantile(seconds[str(index)], 0.9)),
            ratio=float(np.median(seconds[str(index)] / first)),
            batch=batches[index],
            threads=used[index],
            device=device_name(device) if device.startswith(('cpu', 'cuda')) else device,
        )
        for index, artefact in enumerate(artefacts)
    ]


def record(artefact: Artefact, measured: Mapping[str, Any]) -> Artefact:
    """Write what was measured of an artefact into its description and its card."""
    artefact = artefact.with_measured(**measured)
    artefact.save()
    write_text(artefact.folder / CARD, card_text(artefact))
    return artefact
