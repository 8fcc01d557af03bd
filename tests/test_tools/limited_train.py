"""tools/train.py where files of a second checkpoint meet the end of the disk.

A limit of the size of a file (EFBIG) stands for a full disk (ENOSPC): both fail in write().
"""

import resource
import runpy
import signal
from pathlib import Path

from mmengine.hooks import CheckpointHook

save = CheckpointHook._save_checkpoint_with_step


def limited(self, runner, step, meta):
    if step > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    save(self, runner, step, meta)


CheckpointHook._save_checkpoint_with_step = limited
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
tools = Path(__file__).resolve().parents[2] / 'tools'
runpy.run_path(str(tools / 'train.py'), run_name='__main__')
