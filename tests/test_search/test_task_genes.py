"""A search over backbone and genes of the task together, from its archive to the export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from nasvit_mm import get_space
from nasvit_mm.building import read_file
from nasvit_mm.data import seed_everything
from nasvit_mm.demo_data import write_ade20k
from nasvit_mm.dense import build_model, count_model, inner_model
from nasvit_mm.errors import UsageError
from nasvit_mm.search import (
    Archive,
    Choice,
    Known,
    SearchPlan,
    SupernetEvaluator,
    export_choice,
    read_search,
    search,
)
from tests.commands import ROOT
from tests.test_tools.test_dense import SEGMENTOR

TASK = dict(scale=[50, 100], taps=[32, 64], head=[128, 256])
SEARCHED = dict(TASK, taps=[32])  # fewer are quicker to count
BOTH = [dict(metric='mIoU', goal='max'), 'macs']
SIZE = (64, 96)
DEPTH = [[1]] + [[3]] * 6
SEARCH = """
space = dict(space='nasvit', restrict=dict(resolution=[48], depth={depth}), task={task})
task = '{config}'
input_size = (64, 96)
objectives = {objectives}
evaluator = dict(type='SupernetEvaluator', config='{config}', checkpoint='{checkpoint}',
                 split='held_out', num_calibration=2)
algorithm = dict(type='nsga2', population=3, generations=2)
"""


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> dict[str, str]:
    """Config and checkpoint of an untrained supernet with genes of the task."""
    folder = tmp_path_factory.mktemp('genes')
    write_ade20k(folder / 'data', 6, 2, height=SIZE[0], width=SIZE[1], progress=False)
    path = folder / 'supernet.py'
    path.write_text(
        SEGMENTOR.format(root=ROOT, data=folder / 'data')
        + f'space = dict(_delete_=True, space="nasvit", task={TASK}, '
        f'restrict=dict(resolution=[48], depth={DEPTH}))\n'
        'model["model"]["backbone"]["space"] = space\n'
    )
    seed_everything(0)
    cfg = Config.fromfile(path)
    state = build_model(Config(dict(model=inner_model(cfg), default_scope='mmseg'))).state_dict()
    torch.save(dict(state_dict=state, meta={}), folder / 'iter_4.pth')
    return dict(config=str(path), checkpoint=str(folder / 'iter_4.pth'))


def plan(
    files: dict[str, str], folder: Path, task: dict | None = SEARCHED, objectives: list = BOTH
) -> SearchPlan:
    path = folder / 'search.py'
    path.write_text(SEARCH.format(task=task, depth=DEPTH, objectives=objectives, **files))
    return read_search(read_file(path), path)


def run(of: SearchPlan, folder: Path, resume: bool = False) -> list[dict]:
    archive = Archive.open(folder, of.identity, resume)
    return search(of.problem, of.algorithm, archive, of.evaluators)


@pytest.fixture(scope='module')
def searched(files, tmp_path_factory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp('searched')
    return folder, run(plan(files, folder), folder)


@pytest.mark.slow
def test_candidates_differ_in_them_and_resume_writes_the_same_bytes(files, searched, tmp_path):
    folder, records = searched
    assert {r['arch']['scale'] for r in records} == {50, 100}
    whole = (folder / 'archive.jsonl').read_bytes()
    (tmp_path / 'archive.jsonl').write_bytes(b''.join(whole.splitlines(True)[:3]))
    run(plan(files, tmp_path), tmp_path, resume=True)
    assert (tmp_path / 'archive.jsonl').read_bytes() == whole


@pytest.mark.slow
def test_what_is_exported_is_what_was_searched(files, searched, tmp_path):
    of = plan(files, tmp_path)
    record = next(r for r in searched[1] if r['arch']['scale'] == 50)
    arch = of.problem.space.arch(record['arch'])
    choice = Choice(arch, '0', {}, record['metrics'])
    done = export_choice(of, choice, tmp_path / 'out', SIZE)
    assert done.measured['mIoU'] == record['metrics']['mIoU'] and not done.warnings
    cfg = Config.fromfile(tmp_path / 'out/config.py')
    assert cfg.model.backbone.input_scale == 50
    assert cfg.model.decode_head.type == 'SegformerHead'
    assert cfg.model.decode_head.channels == arch.head
    assert cfg.model.backbone.out_width == arch.taps
    assert count_model(build_model(cfg), SIZE).total_macs == record['costs']['macs']
    assert json.loads((tmp_path / 'out/arch.json').read_text()) == arch.to_dict()
    assert 'computes at 50 % of the image, 32 x 48' in (tmp_path / 'out/README.md').read_text()


def test_predictions_are_at_the_size_of_the_annotation(files):
    space = get_space('nasvit').restrict(resolution=48, depth=DEPTH).with_task(TASK)
    evaluator = SupernetEvaluator(space, split='held_out', num_calibration=1, **files)
    model = evaluator.subnet(space.smallest)
    (batch, *_) = evaluator._load('held_out_dataloader')
    (sample,) = model.val_step(batch)
    assert sample.pred_sem_seg.data.shape == sample.gt_sem_seg.data.shape == (1, *SIZE)


def test_an_archive_without_them_is_read_as_the_task_has_them(files, tmp_path):
    backbones = plan(files, tmp_path, None, ['macs'])
    (tmp_path / 'earlier').mkdir()
    records = run(backbones, tmp_path / 'earlier')
    of = plan(files, tmp_path, dict(head=[128, 256]), ['macs'])
    found = Known(tmp_path / 'earlier', of).under(of.problem)
    assert len(found.records) == len({json.dumps(r['arch']) for r in records})
    assert {r['arch']['head'] for r in found.records} == {256}
    smaller = plan(files, tmp_path, dict(head=[128]), ['macs'])
    with pytest.raises(UsageError, match='none of its 6 candidates is in the space.* head = 256'):
        Known(tmp_path / 'earlier', smaller)


def test_a_supernet_without_them_is_refused(files, tmp_path):
    of = get_space('nasvit').restrict(resolution=48, depth=DEPTH).with_task(dict(head=[128, 256]))
    text = Path(files['config']).read_text().replace(f'task={TASK}, ', '')
    (tmp_path / 'plain.py').write_text(text)
    plain = dict(files, config=str(tmp_path / 'plain.py'))
    with pytest.raises(UsageError, match='gene head, which the supernet was trained without'):
        SupernetEvaluator(of, split='held_out', **plain)


def test_a_search_without_a_model_has_none(tmp_path):
    path = tmp_path / 'search.py'
    path.write_text(
        "space = dict(space='nasvit', task=dict(head=[8, 16]))\nobjectives = ['macs']\n"
        "algorithm = dict(type='nsga2')\n"
    )
    with pytest.raises(UsageError, match='head are genes of a dense model'):
        read_search(read_file(path), path)
