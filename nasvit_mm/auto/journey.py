"""The way from configs to a trained winner: supernet, search, export, fine-tuning, evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.runner import find_latest_checkpoint

from nasvit_mm.auto.chain import Step


@dataclass(frozen=True)
class Journey:
    """What is trained and searched, and where.

    Attributes:
        work_dir: of everything.
        supernet, search: configs.
        supernet_result: the checkpoint that the supernet's training ends with.
        titles: name of a step -> what it does, for the user.
        options: name of a step -> more flags of its command.
        export: writes the export instead of the command; None: the command does.
    """

    work_dir: Path
    supernet: Path
    search: Path
    supernet_result: Path
    titles: Mapping[str, str]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    export: Callable[[], Any] | None = None

    @property
    def exported(self) -> Path:
        return self.work_dir / 'export' / 'config.py'

    @property
    def trained(self) -> Path:
        return self.work_dir / 'export' / 'train'

    def steps(self) -> Iterator[Step]:
        """Yield the steps up to the fine-tuned winner."""
        work, search = self.work_dir, str(self.work_dir / 'search')
        yield self._step(
            'supernet',
            ('train', str(self.supernet), '--work-dir', str(work / 'supernet'), '--resume'),
            self.supernet_result,
        )
        yield self._step(
            'search',
            ('search', str(self.search), '--work-dir', search, '--resume'),
            work / 'search' / 'report.html',
        )
        out = str(self.exported.parent)
        yield self._step(
            'export',
            ('export', str(self.search), '--work-dir', search, '--out', out, '--force'),
            self.exported,
        )._replace(action=self.export)
        yield self._step(
            'train', ('train', str(self.exported), '--resume'), self.trained / 'last_checkpoint'
        )

    def checkpoint(self) -> Path:
        """Return the winner's checkpoint: the best on val, where one was chosen; else the last."""
        best = sorted(self.trained.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
        return best[-1] if best else Path(find_latest_checkpoint(str(self.trained)))

    def _step(self, name: str, command: tuple[str, ...], result: Path) -> Step:
        return Step(name, self.titles[name], command + self.options.get(name, ()), result)
