"""Handing a searched classifier over to training; ``nasvit-mm export`` hands over dense models."""

from __future__ import annotations

import json
from pathlib import Path

from nasvit_mm.building import read_file
from nasvit_mm.checkpoints import save_weights
from nasvit_mm.files import replacing_folder
from nasvit_mm.search import build_evaluator, choose, read_search

FILES = ('weights.pth', 'arch.json', 'config.py')
CONFIG = '''"""The classifier that a search has found; weights.pth are the supernet's.

    nasvit-mm train {folder}/config.py
"""

_base_ = {task!r}
model = dict(arch={arch!r})
load_from = {weights!r}
work_dir = {work!r}
'''


def export_classifier(search: Path, task: Path, found: Path, out: Path) -> None:
    """Write the best classifier of a search: weights, architecture and a config that trains it.

    Args:
        search, task: configs.
        found: work dir of the search.
        out: folder to write.

    Raises:
        UsageError: the search has no candidate.
    """
    cfg = read_file(search)
    plan = read_search(cfg, cfg.filename)
    choice = choose(plan, found, str(search))
    (spec,) = plan.evaluators
    evaluator = build_evaluator(dict(type=spec.type, **spec.options), plan.problem.space)
    model = evaluator.subnet(choice.arch)
    with replacing_folder(out, FILES) as draft:
        (draft / 'arch.json').write_text(json.dumps(choice.arch.to_dict(), indent=1), 'utf-8')
        state = {key: value.cpu() for key, value in model.state_dict().items()}
        save_weights(draft / 'weights.pth', state, plan.problem.space, choice.arch)
        (draft / 'config.py').write_text(
            CONFIG.format(
                folder=out,
                task=str(task),
                arch=str(out / 'arch.json'),
                weights=str(out / 'weights.pth'),
                work=str(out / 'train'),
            ),
            encoding='utf-8',
        )
