"""Checkpoints of a training that may be killed at any moment: the new one first, whole."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop

from nasvit_mm.errors import UsageError, unknown
from nasvit_mm.files import replacing
from nasvit_mm.registry import HOOKS
from nasvit_mm.runtime.resume import PROCESSES

# Entries of mmengine's message hub: the place of the last validation, now and in checkpoints of
# before. What begins with `val` mmengine logs among the metrics.
VALIDATED = 'place_of_validation'
VALIDATED_BEFORE = 'validated'
MMENGINES = (None, 'CheckpointHook', 'mmengine.CheckpointHook', CheckpointHook)


@HOOKS.register_module()
class WholeCheckpoints(CheckpointHook):
    """mmengine's hook, for a training that may be killed at any moment.

    Nothing is deleted before what replaces it is on the disk, and a checkpoint that was killed
    before the end of its validation is validated when the run resumes.

    Raises:
        UsageError: a metric of ``save_best`` that no validation gives.
    """

    def before_train(self, runner: Any) -> None:
        super().before_train(runner)
        info = runner.message_hub.runtime_info
        if VALIDATED_BEFORE in info:
            info[VALIDATED] = info.pop(VALIDATED_BEFORE)
        # The checkpoint may be of another folder, whose files are not this run's to delete.
        self._best = {key: path and self._here(Path(path).name) for key, path in self._best.items()}
        if is_main_process():
            for draft in Path(self.out_dir).glob('*.pth.*.part'):  # of a run that was killed
                draft.unlink()
        if self._lacks_validation(runner):
            runner.logger.info('the validation of the checkpoint was not finished: it comes first')
            runner.val_loop.run()

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        checkpoint['meta'][PROCESSES] = runner.world_size

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        runner.message_hub.update_info(VALIDATED, _place(runner))
        super().after_val_epoch(runner, metrics)

    def _lacks_validation(self, runner: Any) -> bool:
        """Return whether a run resumes from a checkpoint whose validation is not recorded in it."""
        loop, epochs = runner.train_loop, isinstance(runner.train_loop, EpochBasedTrainLoop)
        begin, place = getattr(loop, 'val_begin', None), loop.epoch if epochs else loop.iter
        if not place or begin is None or runner.val_loop is None or epochs != self.by_epoch:
            return False
        loop._decide_current_val_interval()
        last = loop.max_epochs if epochs else loop.max_iters
        due = place >= begin and (place % loop.val_interval == 0 or place == last)
        return due and runner.message_hub.runtime_info.get(VALIDATED) != _place(runner)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        """Save a checkpoint, then delete those that are too many."""
        keep = self.max_keep_ckpts
        if keep > 0:
            # With the step at its end mmengine deletes nothing; a run that resumes from this
            # checkpoint deletes what this one was killed before deleting.
            self.keep_ckpt_ids = deque([*(i for i in self.keep_ckpt_ids if i != step), step])
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        super()._save_checkpoint_with_step(runner, step, meta)
        while keep > 0 and len(self.keep_ckpt_ids) > keep:
            self._remove(self._here(self.filename_tmpl.format(self.keep_ckpt_ids.popleft())))

    def _save_best_checkpoint(self, runner: Any, metrics: Mapping[str, float]) -> None:
        """Save the best checkpoint, then delete the one that was best before."""
        if not self.save_best:
            return
        for key in self.key_indicators:
            if key not in metrics and key != 'auto':
                raise UsageError(
                    unknown('default_hooks.checkpoint.save_best', key, sorted(metrics))
                    + '; the checkpoint before the validation is kept: the same command with '
                    '--resume and another one goes on from it'
                )
        before = self._best
        self._best = dict.fromkeys(before)  # as if there were none: mmengine deletes it first
        super()._save_best_checkpoint(runner, metrics)
        now = self._best
        self._best = {key: now[key] or before[key] for key in before}
        for key, path in before.items():
            if path and now[key] and path != now[key]:
                self._remove(path)

    @property
    def _best(self) -> dict[str, str | None]:
        """Return the files of the best checkpoints by metric, wherever mmengine keeps them."""
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            return {'': self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    @_best.setter
    def _best(self, paths: Mapping[str, str | None]) -> None:
        if '' in paths:
            self.best_ckpt_path = paths['']
        elif paths:
            self.best_ckpt_path_dict = dict(paths)

    def _here(self, name: str) -> str:
        return self.file_backend.join_path(self.out_dir, name)

    def _remove(self, path: str) -> None:
        if is_main_process() and self.file_backend.isfile(path):
            self.file_backend.remove(path)


def _place(runner: Any) -> list[int]:
    return [runner.epoch, runner.iter]


def keep_checkpoints_whole(cfg: Config) -> None:
    """Let a training write checkpoints by :class:`WholeCheckpoints`, where it would by mmengine's.

    A config that names a hook of its own keeps it.
    """
    hooks = cfg.get('default_hooks') or {}
    given = hooks.get('checkpoint', {})
    if isinstance(given, Mapping) and given.get('type') in MMENGINES:
        if not given:
            given = dict(interval=1)  # mmengine's default
        cfg.default_hooks = {**hooks, 'checkpoint': {**given, 'type': 'nasvit_mm.WholeCheckpoints'}}


@contextmanager
def whole_files() -> Iterator[None]:
    """Let mmengine write files of this machine completely or not at all.

    Its checkpoints and what it publishes go through one method, which would write over the old
    file.
    """

    def put(self: LocalBackend, content: bytes, path: str | Path) -> None:
        with replacing(path) as draft, draft.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # before the rename: a power cut leaves one of the two

    with mock.patch.object(LocalBackend, 'put', put):
        yield
