"""Order, augmentation and steps are functions of seed, epoch, picture and iteration."""

from __future__ import annotations

import itertools
import pickle
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset, pseudo_collate
from torch.utils.data import DataLoader

from nasvit_mm.data import ImageIndex, SeededInfiniteSampler, SeedTransforms, seed_everything
from nasvit_mm.runtime import SeedIterations

SIZE = 7


def draws(n: int, start: int = 0, size: int = SIZE, **kwargs) -> list[ImageIndex]:
    sampler = SeededInfiniteSampler(range(size), **{'seed': 3, **kwargs})
    sampler.skip(start)
    return list(itertools.islice(sampler, n))


def random_numbers() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


class TestSampler:
    def test_every_epoch_is_another_permutation(self) -> None:
        found = draws(4 * SIZE)
        epochs = [tuple(found[i : i + SIZE]) for i in range(0, 4 * SIZE, SIZE)]
        assert all(sorted(epoch) == list(range(SIZE)) for epoch in epochs)
        assert len(set(epochs)) > 1
        assert [d.key for d in found] == [(3, i // SIZE, int(d)) for i, d in enumerate(found)]

    @pytest.mark.parametrize('start', [0, 1, SIZE - 1, SIZE, SIZE + 1, 5 * SIZE + 3])
    def test_skip_goes_on_in_the_same_order(self, start: int) -> None:
        whole = draws(start + 20)
        rest = draws(20, start)
        assert rest == whole[start:]
        assert [d.key for d in rest] == [d.key for d in whole[start:]]

    @pytest.mark.parametrize('start', [0, 4])
    def test_processes_take_turns(self, start: int, monkeypatch) -> None:
        whole = draws(40)
        for rank in range(3):
            monkeypatch.setattr('nasvit_mm.data.seeding.get_dist_info', lambda r=rank: (r, 3))
            assert draws(8, start) == whole[rank + 3 * start :: 3][:8]

    def test_seeds_differ(self) -> None:
        assert draws(50, size=50, seed=3) != draws(50, size=50, seed=4)

    def test_in_order(self) -> None:
        assert draws(10, shuffle=False) == [*range(SIZE), 0, 1, 2]

    def test_empty(self) -> None:
        with pytest.raises(ValueError, match='empty'):
            draws(1, size=0)

    def test_negative(self) -> None:
        with pytest.raises(ValueError, match='num_samples'):
            draws(1, start=-1)


def test_a_draw_is_an_index() -> None:
    draw = ImageIndex(5, (1, 2, 5))
    assert draw == 5 and [*range(9)][draw] == 5
    for other, value in ((pickle.loads(pickle.dumps(draw)), 5), (draw % 3, 2), (draw - 4, 1)):
        assert other == value and other.key == draw.key


def test_transforms_are_seeded_by_the_draw() -> None:
    def after(index: int) -> tuple:
        results = SeedTransforms()(dict(sample_idx=index))
        assert type(results['sample_idx']) is int
        return random_numbers()

    one, again = after(ImageIndex(4, (0, 1, 4))), after(ImageIndex(4, (0, 1, 4)))
    assert one == again
    others = [after(ImageIndex(4, key)) for key in ((0, 2, 4), (0, 1, 5), (1, 1, 4))]
    assert len({one, *others}) == 4
    seed_everything(9)
    undisturbed = random_numbers()
    seed_everything(9)
    assert after(4) == undisturbed, 'a plain index leaves the generators alone'


class Noise:
    """An augmentation that draws from all three generators."""

    def __call__(self, results: dict) -> tuple:
        return int(results['sample_idx']), random_numbers()


class Numbers(BaseDataset):
    def load_data_list(self) -> list[dict]:
        return [dict(value=i) for i in range(SIZE)]


def batches(dataset, workers: int, start: int, n: int) -> list:
    sampler = SeededInfiniteSampler(dataset, seed=0)
    sampler.skip(2 * start)
    loader = DataLoader(dataset, 2, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate)
    return list(itertools.islice(loader, n))


@pytest.mark.parametrize(
    'wrap', [lambda d: d, lambda d: RepeatDataset(d, 2), lambda d: ConcatDataset([d, d])]
)
def test_workers_and_a_restart_change_nothing(wrap) -> None:
    dataset = wrap(Numbers(pipeline=[SeedTransforms(), Noise()]))
    whole = batches(dataset, 0, 0, 12)
    drawn = [numbers for batch in whole for numbers in zip(*batch[1], strict=True)]
    assert len(set(drawn)) == len(drawn), 'no augmentation comes twice'
    assert batches(dataset, 1, 0, 12) == whole
    assert batches(dataset, 2, 5, 7) == whole[5:]


def test_iterations_are_seeded(monkeypatch) -> None:
    def after(iteration: int, seed: int = 0) -> tuple:
        SeedIterations().before_train_iter(SimpleNamespace(seed=seed, iter=iteration), 0)
        return random_numbers()

    assert after(3) == after(3)
    found = {after(3), after(4), after(3, seed=1)}
    monkeypatch.setattr('nasvit_mm.runtime.seeding.get_dist_info', lambda: (1, 2))
    assert len({*found, after(3)}) == 4, 'dropout differs between processes'


def test_epochs_of_draws() -> None:
    """By (seed, epoch) and nothing else; with mmengine's order."""
    from mmengine.dataset import DefaultSampler

    from nasvit_mm.data import SeededEpochSampler

    ours, theirs = (kind(range(SIZE), seed=5) for kind in (SeededEpochSampler, DefaultSampler))
    orders = []
    for epoch in (0, 3, 3):
        ours.set_epoch(epoch)
        theirs.set_epoch(epoch)
        found = list(ours)
        assert [int(d) for d in found] == list(theirs)
        assert [d.key for d in found] == [(5, epoch, int(d)) for d in found]
        orders.append(found)
    assert orders[1] == orders[2] != orders[0]
