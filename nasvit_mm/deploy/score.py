"""The metric of a config's validation images, of whatever predicts: a graph before it is a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from nasvit_mm.deploy.artefact import BOXES, CLASSES, LABEL_MAP, Artefact
from nasvit_mm.deploy.exporting import quiet
from nasvit_mm.deploy.images import spread
from nasvit_mm.deploy.model import ArtefactModel
from nasvit_mm.deploy.runtimes import Run
from nasvit_mm.errors import UsageError
from nasvit_mm.runtime import evaluate_metrics

MAIN = {  # metric of a task, whatever its prefix
    LABEL_MAP: ('mIoU',),
    BOXES: ('bbox_mAP', 'mAP'),
    'masks': ('segm_mAP',),
    CLASSES: ('top1',),
}


class Score:
    """``score(run, indices)`` is the metric of some validation images, predicted by ``run``.

    Args:
        cfg: of the model; its ``val_dataloader`` and ``val_evaluator`` are used.
        artefact: what its graph takes and gives.
        number: images at most, spread over the set.

    Attributes:
        images: indices of the images, all of them.
        metric: its name, known after the first call: that of the checkpoint hook's ``save_best``
            where one is named, else the task's, :data:`MAIN`.

    Raises:
        UsageError: the config has no validation data that are there; of a call: its evaluator
            gives no such metric.
    """

    def __init__(self, cfg: Config, artefact: Artefact, number: int) -> None:
        if not cfg.get('val_dataloader') or not cfg.get('val_evaluator'):
            raise UsageError(
                '--max-drop measures by validation images, and the config has no val_dataloader: '
                'leave --max-drop out, or take a config with one'
            )
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        one = dict(batch_size=1, num_workers=0, persistent_workers=False)
        try:
            self.loader = Runner.build_dataloader(dict(cfg.val_dataloader, **one))
        except OSError as error:
            raise UsageError(
                f'--max-drop measures by validation images, which are not there ({error}): '
                '--cfg-options val_dataloader.dataset.data_root=DIR'
            ) from error
        self.evaluator = Evaluator(cfg.val_evaluator)
        self.evaluator.dataset_meta = getattr(self.loader.dataset, 'metainfo', None)
        self.images = spread(len(self.loader.dataset), number)
        self.model = ArtefactModel(artefact)
        saving = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
        self.named, self.metric = saving.get('save_best'), ''

    def __call__(self, run: Run, indices: Iterable[int]) -> float:
        """Return the metric; larger is better."""
        self.model.run, indices = run, list(indices)
        with quiet():
            for index in indices:
                batch = self.loader.collate_fn([self.loader.dataset[index]])
                self.evaluator.process(self.model.val_step(batch), batch)
            found = evaluate_metrics(self.evaluator, len(indices))
        self.metric = self._chosen(found)
        return found[self.metric]

    def _chosen(self, found: Mapping[str, float]) -> str:
        if isinstance(self.named, str) and self.named in found:
            return self.named
        artefact = self.model.artefact
        mains = MAIN['masks' if 'masks' in artefact.outputs else artefact.task]
        for main in mains:
            for name in found:
                if name.rpartition('/')[2] == main:
                    return name
        raise UsageError(
            f'--max-drop holds {" or ".join(mains)}, and val_evaluator gives '
            f'{", ".join(found) or "nothing"}: name one of these, where larger is better, by '
            '--cfg-options default_hooks.checkpoint.save_best=NAME'
        )
