"""``advise``: what ``nasvit-mm search --advise`` does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rich.progress import track

from nasvit_mm.apis.common import AnyConfig, bounded, run_config
from nasvit_mm.building import plain_files
from nasvit_mm.data import with_progress
from nasvit_mm.runtime import PlainConsole
from nasvit_mm.search import Advice, compare_evaluations, read_search
from nasvit_mm.spaces import Arch

EVERY = 30  # seconds between two lines


@plain_files()
def advise(
    cfg: AnyConfig,
    number: int = 16,
    *,
    options: Mapping[str, Any] | None = None,
    low: Mapping[str, float] | None = None,
    high: Mapping[str, float] | None = None,
    skip_data_check: bool = False,
    quiet: bool = False,
) -> list[Advice]:
    """Measure which cheaper evaluation keeps the order of a search's candidates; no search.

    Tried are fewer batches for batch norms, bfloat16, more images at once where they are of one
    size, and a share of the images, then the best of these together, on random candidates within
    the bounds; each is compared with the evaluation that the config asks for.

    Args:
        cfg: of the search.
        number: of candidates.
        options: overrides of the config by dotted key.
        low, high: bounds beside those of the config, or instead of them: ``{'macs': 3e9}``.
        skip_data_check: do not look at what the evaluators' images and annotations hold.
        quiet: show nothing: no progress bar, no table.

    Returns:
        Of each evaluator what was measured, and what to write into the config.

    Raises:
        UsageError: as of :func:`run_search`; nothing is measured, or too few candidates.
    """
    cfg = bounded(run_config(cfg, options, None), low, high)
    plan, console = read_search(cfg, cfg.filename), PlainConsole(quiet=quiet)
    if not skip_data_check:
        for spec in plan.evaluators:
            spec.check_images(cfg.work_dir)
    out = compare_evaluations(plan, number, partial(_shown, console, quiet))
    for each in out:
        console.print(each.table())
        for line in each.words():
            console.print(line, markup=False, soft_wrap=True)
    return out


def _shown(console: PlainConsole, quiet: bool, archs: Sequence[Arch], what: str) -> Iterable[Arch]:
    """Yield candidates under a bar; where the console is no terminal, with a line now and then."""
    if quiet:
        return archs
    if console.is_terminal:
        return track(archs, what, console=console)
    return with_progress(archs, f'{what}, candidates', every=EVERY)
