"""Does a dense supernet rank?  What ranking/run.py, sharing/run.py and bccd_ranking/run.py share.

A :class:`Study` trains a teacher, supernets, and some architectures alone, from the same start and
for as long; then every supernet is asked for the same architectures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from _runs import axes_style, claimed, hours, seeds, tested, tool, trained_and_tested, written

DRAWS = 20000


def of_camvid(split: str) -> list[str]:
    """Return the options by which a test is of a split of CamVid."""
    prefix = 'test_dataloader.dataset.data_prefix'
    return [f'{prefix}.img_path=img_dir/{split}', f'{prefix}.seg_map_path=ann_dir/{split}']


@dataclass(frozen=True)
class Study:
    """One task's proof.

    Attributes:
        configs: the folder of all configs named below.
        supernets: stage -> config.
        alone: stage -> config, of one architecture; the first is without a teacher.
        last: name of the last checkpoint of supernets and of networks alone.
        size: (H, W) at which MACs are counted.
        points: architectures, over the range of MACs.
        metric: of the task, and what it is shown as: times ``unit``.
        splits: name -> options of a test by which it is of that split.
        target: where the report is written: TARGET.json and TARGET.png.
        teacher: config; what has ``taught`` in its name learns from it.  None: nothing does.
        teacher_last: name of the teacher's last checkpoint.

    """

    configs: Path
    supernets: Mapping[str, str]
    alone: Mapping[str, str]
    last: str
    size: tuple[int, int]
    points: int
    metric: str
    splits: Mapping[str, list[str]]
    target: Path
    unit: float = 1.0
    teacher: str | None = None
    teacher_last: str = ''

    @property
    def stages(self) -> tuple[str, ...]:
        teachers = () if self.teacher is None else ('teacher',)
        return (*teachers, *self.supernets, *self.alone)

    # ------------------------------------------------------------------ architectures
    @cached_property
    def architectures(self) -> list[tuple[int, dict[str, Any]]]:
        """MACs of the whole model and architecture of the smallest, the largest, and of random ones
        nearest to equal ratios between, by a fixed seed.
        """
        from mmengine.config import Config

        from nasvit_mm import compat, get_space  # noqa: F401
        from nasvit_mm.dense import SearchedModel

        cfg = Config.fromfile(self.configs / next(iter(self.alone.values())))
        space = get_space(cfg.model.backbone.space.to_dict())
        rng = np.random.default_rng(0)
        ends = np.stack([space.genes(space.smallest), space.genes(space.largest)])
        genes = space.sample_genes(rng, DRAWS)
        # Uniform draws crowd in the middle: a random share of each one's genes is that of an end.
        end = ends[rng.integers(2, size=DRAWS)]
        genes = np.where(rng.random(genes.shape) < rng.random((DRAWS, 1)), end, genes)
        genes = np.concatenate([ends, genes])
        macs = SearchedModel(cfg, space).total(genes, self.size).macs
        targets = np.geomspace(macs[0], macs[1], self.points)
        chosen = [int(np.abs(macs - target).argmin()) for target in targets]
        archs = space.from_genes(genes[chosen])
        return [(int(macs[i]), arch.to_dict()) for i, arch in zip(chosen, archs)]

    def files(self, work_dir: Path) -> list[Path]:
        """Return the architectures as files, written where they are not there."""
        folder = work_dir / 'architectures'
        folder.mkdir(parents=True, exist_ok=True)
        found = [folder / f'{i}.json' for i in range(self.points)]
        if not found[-1].exists():
            for path, (_, arch) in zip(found, self.architectures):
                path.write_text(json.dumps(arch, indent=1) + '\n')
        return found

    # ------------------------------------------------------------------ runs
    def run(self, stage: str, seed: int, folder: Path) -> None:
        """What of a stage is not done yet."""
        work_dir = folder.parents[1]
        if stage == 'teacher':
            with claimed(folder) as free:
                if free:
                    given = [f'randomness.seed={seed}']
                    last = folder / self.teacher_last
                    trained_and_tested(self.configs / self.teacher, last, folder, *given)
        elif stage in self.supernets:
            with claimed(folder) as free:
                if free:
                    self._supernet(stage, seed, folder, self.files(work_dir))
        else:
            files = self.files(work_dir)
            for i in sorted(range(self.points), key=lambda i: self.reported(stage, seed, i)):
                with claimed(folder / str(i)) as free:
                    if free:
                        self._alone(stage, seed, folder / str(i), files[i])

    def reported(self, stage: str, seed: int, place: int) -> bool:
        """Whether TARGET.json has an architecture's figures: what it lacks is run first."""
        run = written(self.target.with_suffix('.json')).get('runs', {}).get(stage, {})
        found = run.get(str(seed), {})
        return all(found.get(split, [None] * self.points)[place] for split in self.splits)

    def taught_by(self, work_dir: Path) -> Path:
        """Return the trained teacher's checkpoint: one for all seeds."""
        found = work_dir / f'teacher/seed0/{self.teacher_last}'
        if not found.exists():
            raise SystemExit(f'error: {found} does not exist: run the stage teacher, seed 0, first')
        return found

    def options(self, stage: str, seed: int, work_dir: Path) -> list[str]:
        """Return the options of a training: its seed, and of those that are taught the teacher."""
        out = [f'randomness.seed={seed}']
        if 'taught' in stage:
            where = 'model.teacher' if stage in self.supernets else 'teacher'
            out.append(f'{where}.checkpoint={self.taught_by(work_dir)}')
        if stage in self.supernets:
            out.append('model.log_cosine=50')
        return out

    def config(self, stage: str) -> Path:
        return self.configs / {**self.supernets, **self.alone}[stage]

    def test_supernet(self, stage: str, folder: Path, split: str, out: Path, *more: str) -> None:
        """Ask a supernet for all architectures on a split."""
        files = ','.join(f'"{path}"' for path in self.files(folder.parents[1]))
        given = [f'test_cfg.subnets=[{files}]', *self.splits[split], *more]
        last = folder / self.last
        tool('test', self.config(stage), last, '--work-dir', out, '--cfg-options', *given)

    def test_alone(self, stage: str, folder: Path, split: str, out: Path, *more: str) -> None:
        """Test an architecture that was trained alone, without its teacher, on a split."""
        plain, last = self.configs / next(iter(self.alone.values())), folder / self.last
        arch = self.files(folder.parents[2])[int(folder.name)]
        given = [f'model.backbone.arch={arch}', *self.splits[split], *more]
        tool('test', plain, last, '--work-dir', out, '--cfg-options', *given)

    def _supernet(self, stage: str, seed: int, folder: Path, archs: list[Path]) -> None:
        given = self.options(stage, seed, folder.parents[1])
        if not (folder / self.last).exists():
            config = self.config(stage)
            tool('train', config, '--work-dir', folder, '--resume', '--cfg-options', *given)
        for split in self.splits:
            if not tested(folder / split):
                self.test_supernet(stage, folder, split, folder / split / 'test')

    def _alone(self, stage: str, seed: int, folder: Path, arch: Path) -> None:
        given = [f'model.backbone.arch={arch}', *self.options(stage, seed, folder.parents[2])]
        if not (folder / self.last).exists():
            config = self.config(stage)
            tool('train', config, '--work-dir', folder, '--resume', '--cfg-options', *given)
        for split in self.splits:
            if not tested(folder / split):
                self.test_alone(stage, folder, split, folder / split / 'test')

    # ------------------------------------------------------------------ report
    def found_by(self, stage: str, folder: Path) -> dict[str, list[float | None]]:
        """Return the metric of each architecture by split, and the hours of training that it took,
        which a supernet's first stands for; None: not measured yet.
        """
        parts = [folder]
        if stage not in self.supernets:
            parts = [folder / str(i) for i in range(self.points)]
        done = [any(tested(part / split) for split in self.splits) for part in parts]
        out = dict(hours=[(ended and hours(part)) or None for part, ended in zip(parts, done)])
        for split in self.splits:
            if stage in self.supernets:
                found = tested(folder / split)  # by the files of the architectures
                names = [f'architectures/{i}.json/{self.metric}' for i in range(self.points)]
                scores = [next((v for k, v in found.items() if k.endswith(n)), None) for n in names]
            else:
                scores = [tested(part / split).get(self.metric) for part in parts]
            out[split] = [score and float(score) * self.unit for score in scores]
        return out

    def report(self, work_dir: Path) -> None:
        """Print the tables, write TARGET.json and TARGET.png."""
        path = self.target.with_suffix('.json')
        before = written(path)
        results: dict[str, dict[str, dict]] = {}
        for stage in (*self.supernets, *self.alone):
            results[stage] = dict(before.get('runs', {}).get(stage, {}))
            for seed, folder in seeds(work_dir / stage).items():
                found = with_earlier(self.found_by(stage, folder), results[stage].get(str(seed)))
                if all(any(found[split]) for split in self.splits):
                    results[stage][str(seed)] = found
        macs = [m for m, _ in self.architectures]
        folder = work_dir / 'teacher/seed0'
        taught = before.get('teacher', {})
        if tested(folder):
            taught = dict(tested(folder), hours=hours(folder))
        self._print(macs, results, taught)
        path.write_text(json.dumps(dict(macs=macs, teacher=taught, runs=results), indent=1) + '\n')
        self._plot(macs, results)

    def _print(self, macs: list[int], results: Mapping[str, dict], taught: Mapping) -> None:
        print('| MACs | ' + ' | '.join(f'{m / 1e9:.2f} G' for m in macs) + ' | hours |')
        print('|---|' + '---|' * (self.points + 1))
        for stage, runs in results.items():
            for seed, run in runs.items():
                for split in self.splits:
                    row = ' | '.join('' if s is None else f'{s:.1f}' for s in run[split])
                    took = sum(filter(None, run['hours']))
                    print(f'| {stage}, seed {seed}, {split} | {row} | {took:.1f} |')
        if taught:
            print(f'the teacher took {taught["hours"]:.1f} hours, which count where it taught')
        # Networks alone against others alone say what order can be had; MACs, what comes for free.
        for one, other in [*product(self.supernets, self.alone), *combinations(self.alone, 2)]:
            for seed in results[one].keys() & results[other].keys():
                for split in self.splits:
                    words = compared(results[one][seed][split], results[other][seed][split])
                    print(f'{one} against {other}, seed {seed}, {split}: {words}')
        for stage, runs in results.items():
            for seed, run in runs.items():
                for split in self.splits:
                    order = tau(macs, run[split])
                    print(f'{stage}, seed {seed}, {split}: tau with MACs {order:.2f}')

    def _plot(self, macs: list[int], results: Mapping[str, dict]) -> None:
        """The metric over MACs by stage, on all splits."""
        import matplotlib

        matplotlib.use('Agg')
        import matplotlib.pyplot as plt

        number = len(self.splits)
        figure, panels = plt.subplots(1, number, figsize=(4.5 * number, 3.8), layout='constrained')
        for axes, split in zip(np.atleast_1d(panels), self.splits):
            for i, (stage, runs) in enumerate(results.items()):
                style, color = 'o-', f'C{i}'
                if stage in self.alone:  # in shades of grey, the darkest with a teacher
                    style, color = 's--', str(0.7 - 0.7 * list(self.alone).index(stage))
                for k, run in enumerate(runs.values()):
                    x = [m / 1e9 for m, score in zip(macs, run[split]) if score is not None]
                    y = [score for score in run[split] if score is not None]
                    axes.plot(x, y, style, color=color, label=None if k else stage)
            axes.set(xlabel='MACs in total (G)', ylabel=f'{self.metric} on {split}')
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False)
            axes_style(axes)
        self.target.parent.mkdir(exist_ok=True)
        figure.savefig(self.target.with_suffix('.png'), dpi=130)


def with_earlier(
    found: Mapping[str, list[float | None]], earlier: Mapping[str, list[float | None]] | None
) -> dict[str, list[float | None]]:
    """Return what is found, and where nothing is, what an earlier report has of it."""
    return {
        name: [
            old if new is None else new
            for new, old in zip(values, (earlier or {}).get(name, [None] * len(values)))
        ]
        for name, values in found.items()
    }


def compared(subnets: list[float | None], alone: list[float | None]) -> str:
    """Say how far subnets are below the same networks alone, and Kendall's tau of both orders, of
    the networks that both have.
    """
    both = measured(subnets, alone)
    if not both:
        return 'no network is measured in both'
    gap = mean(a - s for s, a in both)
    return f'{gap:.1f} below on average, tau {tau(subnets, alone):.2f}, {len(both)} networks'


def tau(one: Sequence[float | None], other: Sequence[float | None]) -> float:
    """Return Kendall's tau of two orders, of what both have; NaN for fewer than two."""
    from scipy.stats import kendalltau

    both = measured(one, other)
    return float(kendalltau(*zip(*both)).statistic) if len(both) > 1 else float('nan')


def measured(
    one: Sequence[float | None], other: Sequence[float | None]
) -> list[tuple[float, float]]:
    """Return the pairs that are whole."""
    return [(a, b) for a, b in zip(one, other) if a is not None and b is not None]
