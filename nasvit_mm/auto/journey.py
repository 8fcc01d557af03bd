"""The way from configs to an artefact: supernet, search, export, fine-tuning, deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.runner import find_latest_checkpoint

from nasvit_mm.auto.chain import Step
from nasvit_mm.deploy import DESCRIPTION

PRECISION_FLAGS = {'fp32': (), 'int8': ('--int8',), 'bf16': ('--bf16',)}


class Target(NamedTuple):
    """What an artefact is for.

    Attributes:
        runtime: that runs it.
        precision: ``'fp32'``, ``'bf16'`` or ``'int8'``.
        size: (height, width) of its input.
        threads: of the CPU that its latency is measured on.
    """

    runtime: str
    precision: str
    size: tuple[int, int]
    threads: int


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

    @property
    def deployed(self) -> Path:
        return self.work_dir / 'deployed'

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

    def deployment(self, target: Target) -> Iterator[Step]:
        """Yield the steps from the fine-tuned winner to its artefact, which is then measured."""
        out, exported = str(self.deployed), str(self.exported)
        command = ('deploy', exported, str(self.checkpoint()), '--to', target.runtime)
        command += ('--out', out, '--force', '--shape', *map(str, target.size))
        command += PRECISION_FLAGS[target.precision]
        yield self._step('deploy', command, self.deployed / DESCRIPTION)
        test = self.work_dir / 'test'
        yield self._step('test', ('test', exported, out, '--work-dir', str(test)), test)
        command = ('benchmark', out, '--threads', str(target.threads))
        yield self._step('benchmark', command, self.deployed / DESCRIPTION)

    def checkpoint(self) -> Path:
        """Return the winner's checkpoint: the best on val, where one was chosen; else the last."""
        best = sorted(self.trained.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
        return best[-1] if best else Path(find_latest_checkpoint(str(self.trained)))

    def _step(self, name: str, command: tuple[str, ...], result: Path) -> Step:
        return Step(name, self.titles[name], command + self.options.get(name, ()), result)
