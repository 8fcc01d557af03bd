"""The config of a search as it ran, in its work dir, and the command that exports by it.

Overrides, bounds of the command line and the front that an extended search begins with are part of
what a search is.  An export by the file that the search was started with would miss them.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

from mmengine.config import Config

from nasvit_mm.config import plain_types
from nasvit_mm.files import write_text
from nasvit_mm.search.config import SearchPlan, task_file
from nasvit_mm.search.handover.choose import supernet_options
from nasvit_mm.search.record.archive import AS_RUN

PLACES = ('work_dir', 'launcher')  # of this run, no part of the search


def write_as_run(cfg: Config, plan: SearchPlan) -> Path | None:
    """Write the config of a search into its work dir.

    Args:
        cfg: with everything that was given beside the file.
        plan: read from it.

    Returns:
        The file, a config that ``nasvit-mm export`` and ``search`` take; None where the config
        holds what JSON does not, such as a function.

    Raises:
        WriteError: it cannot be written.
    """
    ran = {k: v for k, v in plain_types(cfg.to_dict()).items() if k not in PLACES}
    ran['initial'] = plan.identity['initial']  # the files that it names may change
    if isinstance(ran.get('task'), str):  # relative to the config, which lies elsewhere now
        ran['task'] = os.path.normpath(task_file(ran['task'], cfg.filename))
    try:
        # In a string mmengine would put its own variables' values for {{ }}.
        text = json.dumps(ran, indent=1).replace('{{', '{\\u007b')
    except TypeError:
        return None
    path = Path(cfg.work_dir, AS_RUN)
    write_text(path, f'{text}\n')
    return path


def export_command(config: str | Path | None, plan: SearchPlan, work_dir: str | Path) -> str:
    """Return the command that hands the best candidate of a search over, for a shell; '' where
    there is nothing to hand it over to, or no config that says what was searched.
    """
    if config is None or plan.problem.task is None:
        return ''
    weights = [] if supernet_options(plan) else ['--from-scratch']
    return shlex.join(['nasvit-mm', 'export', str(config), '--work-dir', str(work_dir), *weights])
