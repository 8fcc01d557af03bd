"""What a supernet's hook keeps in the checkpoint, and in the log."""

from __future__ import annotations

import json
import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper

from nasvit_mm.errors import UsageError
from nasvit_mm.supernet import SupernetState
from tests.test_supernet.test_model import build

LEVELS = dict(type='levels', levels=[15e6, 20e6, 25e6], tolerance=4e6)
ROOT = Path(__file__).resolve().parents[2]


def saved(model) -> dict:
    checkpoint = {}
    SupernetState().before_save_checkpoint(SimpleNamespace(model=model), checkpoint)
    return checkpoint


def resume(model, checkpoint: dict) -> None:
    SupernetState().after_load_checkpoint(SimpleNamespace(model=model, _resume=True), checkpoint)


def test_a_run_goes_on_with_its_own_sampler():
    model = build('nasvit', sampler=LEVELS)
    model.step, model.sampler.level = 7, 2
    checkpoint = saved(model)
    again = build('nasvit', sampler=LEVELS)
    resume(again, checkpoint)
    assert (again.step, again.sampler.level) == (7, 2)
    for sampler, message in (
        (dict(type='uniform'), 'sampler LevelSampler, the config has UniformSampler'),
        (dict(LEVELS, levels=[15e6, 20e6, 26e6]), r'its levels = .*, the config has .*26000000'),
        (dict(LEVELS, tolerance=3e6), 'its tolerance = 4000000.0, the config has 3000000.0'),
    ):
        with pytest.raises(UsageError, match=message):
            resume(build('nasvit', sampler=sampler), checkpoint)
    del checkpoint['supernet']['sampler_type'], checkpoint['supernet']['sampler']['level']
    with pytest.raises(UsageError, match="fit the sampler LevelSampler .*: it lacks 'level'"):
        resume(again, checkpoint)


def begin(model, folder: Path, dataset=range(80)) -> None:
    """Begin a training of 10 steps, seed 7."""
    SupernetState().before_train(
        SimpleNamespace(
            model=model,
            train_dataloader=SimpleNamespace(batch_size=8, dataset=dataset),
            seed=7,
            work_dir=folder,
            max_iters=10,
            cfg={},
            logger=logging.getLogger('seed'),
            optim_wrapper=OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0)),
        )
    )


@pytest.mark.parametrize(('sampler', 'drawn_by'), [(dict(), 7), (dict(seed=3), 3)])
def test_subnets_are_drawn_by_the_seed_of_the_run(sampler, drawn_by, tmp_path):
    model = build('nasvit', sampler=dict(type='uniform', **sampler))
    begin(model, tmp_path)
    as_given = build('nasvit', sampler=dict(type='uniform', seed=drawn_by))
    assert list(model.sampler.draw(1)) == list(as_given.sampler.draw(1))
    assert list(model.sampler.draw(1)) != list(
        build('nasvit', sampler=dict(type='uniform')).sampler.draw(1)
    )


@pytest.mark.parametrize(
    ('pictures', 'max_iters', 'warned'),
    [(8 * 70, 350, False), (8 * 100, 350, True), (8 * 100, 351, False)],
)
def test_a_schedule_of_other_steps_an_epoch(pictures, max_iters, warned, caplog, tmp_path):
    """Steps of 70 an epoch; it was not meant for that where the training is no whole epochs."""
    model = build('nasvit')
    loader = SimpleNamespace(batch_size=8, dataset=range(pictures))
    SupernetState().before_train(
        SimpleNamespace(
            model=model,
            train_dataloader=loader,
            work_dir=tmp_path,
            max_iters=max_iters,
            cfg=dict(steps_per_epoch=70),
            seed=0,
            logger=logging.getLogger('steps'),
            optim_wrapper=OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0)),
        )
    )
    assert ('steps_per_epoch=100 makes it do so' in caplog.text) == warned


def test_training_is_too_short_for_the_sampler(tmp_path):
    schedule = [dict(steps=10), dict(free='rest')]
    sampler = dict(type='shrinking', sampler=dict(type='uniform'), schedule=schedule)
    with pytest.raises(UsageError, match='begins after 10 steps, and training has 10'):
        begin(build('nasvit', sampler=sampler), tmp_path)


def test_a_cosine_is_logged_with_its_own_step(tmp_path):
    hub, logged = MessageHub('cosine'), {}
    for step in range(1, 7):
        SupernetState().before_train_iter(SimpleNamespace(message_hub=hub), step - 1)
        if step % 3 == 0:
            hub.update_scalar('train/cosine', step / 10)
        if 'train/cosine' in hub.log_scalars:  # what mmengine's LogProcessor looks at
            logged[step] = hub.get_scalar('train/cosine').current()
    assert logged == {3: 0.3, 6: 0.6}

    # The benchmark's report, of an earlier run: computed every 4 steps, a line every 2.
    folder = tmp_path / 'now/vis_data'
    folder.mkdir(parents=True)
    lines = [dict(step=s, cosine=s // 4 / 10) for s in (4, 6, 8)]
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    (tmp_path / 'config.py').write_text('model = dict(log_cosine=4)')
    cosines = runpy.run_path(str(ROOT / 'benchmarks/supernet/run.py'))['cosines']
    assert cosines(tmp_path) == {4: 0.1, 8: 0.2}
