"""The metric of a config's validation images, of whatever predicts: a graph before it is a file."""

from __future__ import annotations

from collections.abc import Iterable

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from nasvit_mm.deploy.artefact import Artefact
from nasvit_mm.deploy.exporting import quiet
from nasvit_mm.deploy.model import ArtefactModel
from nasvit_mm.deploy.runtimes import Run
from nasvit_mm.errors import UsageError


class Score:
    """``score(run, indices)`` is the metric of some validation images, predicted by ``run``.

    Args:
        cfg: of the model; its ``val_dataloader`` and ``val_evaluator`` are used.
        artefact: what its graph takes and gives.
        number: images at most, spread over the set.

    Attributes:
        images: indices of the images, all of them.
        metric: its name: that of the checkpoint hook's ``save_best``, else the first.

    Raises:
        UsageError: the config has no validation data that are there.
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
        found = len(self.loader.dataset)
        self.images = list(range(0, found, max(1, found // number)))[:number]
        self.model = ArtefactModel(artefact)
        saving = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
        self.metric = str(saving.get('save_best') or '').rpartition('SUBNET/')[2]

    def __call__(self, run: Run, indices: Iterable[int]) -> float:
        """Return the metric; larger is better."""
        self.model.run, indices = run, list(indices)
        with quiet():
            for index in indices:
                batch = self.loader.collate_fn([self.loader.dataset[index]])
                self.evaluator.process(self.model.val_step(batch), batch)
            found = self.evaluator.evaluate(len(indices))
        if self.metric not in found:
            self.metric = next(iter(found))
        return float(found[self.metric])
