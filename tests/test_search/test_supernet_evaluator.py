"""The figures of a supernet's subnets: of the same pictures, of these very weights, of the task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image

from nasvit_mm import get_space
from nasvit_mm.apis import deploy
from nasvit_mm.data import seed_everything
from nasvit_mm.demo_data import write_ade20k
from nasvit_mm.dense import build_model, standalone
from nasvit_mm.errors import DataError, UsageError
from nasvit_mm.nn import batch_norms
from nasvit_mm.runtime import evaluate_metrics
from nasvit_mm.search import Choice, SupernetEvaluator, export_choice, read_search
from nasvit_mm.search.evaluators import supernet
from nasvit_mm.supernet import calibrated
from tests.commands import ROOT
from tests.families import randomised
from tests.test_tools.supernets import config, pictures
from tests.test_tools.test_dense import SEARCH, SEGMENTOR

SPACE = dict(space='nasvit', restrict=dict(resolution=[48]))


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> dict[str, str]:
    """Config and checkpoint of an untrained supernet inside a segmentor."""
    folder = tmp_path_factory.mktemp('dense')
    write_ade20k(folder / 'data', 9, 2, height=64, width=96, progress=False)
    path = folder / 'supernet.py'
    path.write_text(SEGMENTOR.format(root=ROOT, data=folder / 'data'))
    seed_everything(0)
    state = build_model(standalone(Config.fromfile(path))).state_dict()
    torch.save(dict(state_dict=state, meta={}), folder / 'iter_4.pth')
    return dict(config=str(path), checkpoint=str(folder / 'iter_4.pth'))


def evaluator(files: dict[str, str], **options) -> SupernetEvaluator:
    defaults = dict(split='held_out', num_calibration=2)
    return SupernetEvaluator(get_space(SPACE), **{**defaults, **files, **options})


def unseeded(files: dict[str, str]) -> dict:
    """The pipeline of a user who knows nothing of SeedTransforms."""
    key = 'train_dataloader.dataset.dataset.pipeline'
    steps = Config.fromfile(files['config']).train_dataloader.dataset.dataset.pipeline
    return {key: [step for step in steps if 'Seed' not in step['type']]}


def statistics(model: torch.nn.Module) -> list[torch.Tensor]:
    return [norm.running_mean for norm in batch_norms(model)]


def test_the_state_of_the_process_does_not_matter(files):
    found, arch = [], get_space(SPACE).smallest
    for seed, cache in ((1, True), (2, True), (3, False)):
        seed_everything(seed)
        each = evaluator(files, cfg_options=unseeded(files), cache=cache)
        each.subnet(get_space(SPACE).largest)
        found.append(statistics(each.subnet(arch)))
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


@pytest.mark.parametrize('cache', [True, False])
def test_a_look_takes_a_share_of_the_images(files, cache, monkeypatch):
    """Taken evenly, always the same ones, and calibrated as for all."""
    each = evaluator(files, cache=cache, dataloader=dict(batch_size=1))
    arch, seen = each.space.smallest, []
    monkeypatch.setattr(
        Evaluator,
        'process',
        lambda self, data_samples, data_batch: seen.extend(s.img_path for s in data_samples),
    )
    monkeypatch.setattr(supernet, 'evaluate_metrics', lambda judge, images: dict(mIoU=images))
    whole, half = each(arch)['mIoU'], each.look(arch, 0.5)['mIoU']
    assert (whole, half) == (6, 3)
    assert seen[6:] == seen[1:6:2]


def test_whether_a_share_can_be_judged_is_checked_before(files, monkeypatch):
    """By the metrics of the split, in their config's scope; files elsewhere are told later."""
    found = []
    monkeypatch.setattr(supernet, 'check_metrics', lambda *given: found.append(given))
    changes = {'held_out_evaluator.iou_metrics': ['mFscore']}
    SupernetEvaluator.check_shares(**files, split='held_out', seed=1, cfg_options=changes)
    ((metric, scope),) = found
    assert (metric.type, metric.iou_metrics, scope) == ('IoUMetric', ['mFscore'], 'mmseg')
    SupernetEvaluator.check_shares(**dict(files, checkpoint='elsewhere.pth', config=None))
    assert len(found) == 1


def test_a_look_that_cannot_be_judged_fails(files):
    """Wherever it is: the process that reads the config may not have the supernet's."""
    each = evaluator(files)
    each.cfg.held_out_evaluator = dict(type='mmdet.CrowdHumanMetric', ann_file='a.odgt')
    with pytest.raises(UsageError, match='CrowdHumanMetric judges by all images'):
        each.look(each.space.smallest, 0.5)


def test_the_calibration_of_a_look_serves_the_whole(files, monkeypatch):
    each, arch, calls = evaluator(files), get_space(SPACE).smallest, []
    known = each(arch), statistics(each.subnet(arch))
    monkeypatch.setattr(
        supernet, 'calibrated', lambda *given: calls.append(given) or calibrated(*given)
    )
    again = evaluator(files)
    again.look(arch, 0.5)
    assert again(arch) == known[0]
    assert all(map(torch.equal, statistics(again.subnet(arch)), known[1]))
    assert sum(given[2] is not None for given in calls) == 1


@pytest.mark.parametrize('changes', [dict(num_calibration=1), dict(dtype='bfloat16')])
def test_a_cheaper_one_is_what_its_options_say(files, changes):
    """And leaves the one that it was made of as it is."""
    each, arch = evaluator(files), get_space(SPACE).smallest
    before = statistics(each.subnet(arch))
    assert changes in list(each.cheaper())
    other = statistics(each.with_options(**changes).subnet(arch))
    built = statistics(evaluator(files, **changes).subnet(arch))
    assert all(map(torch.equal, other, built))
    assert not all(map(torch.equal, other, before))
    assert all(map(torch.equal, statistics(each.subnet(arch)), before))


def test_images_at_once_are_the_same_figures(files):
    each = evaluator(files, dataloader=dict(batch_size=1))
    (larger,) = (change for change in each.cheaper() if 'dataloader' in change)
    known = each(each.space.smallest)
    other = each.with_options(**larger)
    assert larger == dict(dataloader=dict(batch_size=32))
    assert other(each.space.smallest) == known
    for it, batches in ((other, [6]), (each, [1] * 6)):
        assert [len(batch['inputs']) for batch in it._load('held_out_dataloader')] == batches


def test_a_share_of_the_images_may_judge_all_candidates(files):
    each, arch = evaluator(files), get_space(SPACE).smallest
    found = each.look(arch, 0.5)
    assert found.pop('held_out/images') == 3
    assert evaluator(files, share=0.5)(arch) == found == each.with_options(share=0.5)(arch)
    assert found != each(arch)


def test_a_look_is_a_part_of_the_share_that_judges(files):
    each = evaluator(files, share=0.67, dataloader=dict(batch_size=1))
    key, paths = 'held_out_dataloader', []
    for share in (1.0, 0.5):
        batches = each._load(key, share=share)
        paths.append([batch['data_samples'][0].img_path for batch in batches])
    assert [len(some) for some in paths] == [4, 2] and set(paths[1]) < set(paths[0])
    assert each.judging == '0.67 of the held_out images'
    with pytest.raises(UsageError, match='of 4 images is all of them: leave halving out'):
        each.look(each.space.smallest, 0.9)
    with pytest.raises(UsageError, match='of 6 images is all of them: leave evaluator.share out'):
        evaluator(files, share=0.95)


@pytest.mark.parametrize('share', [0, 1.5, 'half'])
def test_a_share_that_is_none_is_named(files, share):
    with pytest.raises(UsageError, match=f'evaluator.share = {share!r}, expected'):
        evaluator(files, share=share)


def test_the_dtype_is_that_of_the_metric_too(files, monkeypatch):
    each, seen = evaluator(files, dtype='bfloat16'), []
    model = each.subnet(get_space(SPACE).smallest)
    model.backbone.register_forward_hook(lambda *given: seen.append(given[-1][0].dtype))
    monkeypatch.setattr(supernet, 'evaluate_metrics', lambda judge, images: {})
    each.measure(model)
    assert set(seen) == {torch.bfloat16}


def test_an_unknown_dtype_is_named(files):
    with pytest.raises(UsageError, match="evaluator.dtype = 'half'.*'bfloat16', 'float16'"):
        evaluator(files, dtype='half')


def test_what_its_images_hold_is_looked_at(files, tmp_path):
    """Those that judge and those that calibrate; of files elsewhere nothing is said yet."""
    root = Path(files['config']).parent
    SupernetEvaluator.check_images(tmp_path, **files, split='held_out')
    assert (tmp_path / 'data_check.json').is_file()
    shutil.copytree(root / 'data', tmp_path / 'data')
    for mask in (tmp_path / 'data/annotations/training').iterdir():
        Image.new('L', (96, 64), 201).save(mask)
    key = 'dataset.dataset.data_root'
    changes = {
        f'{split}_dataloader.{key}': str(tmp_path / 'data') for split in ('train', 'held_out')
    }
    with pytest.raises(DataError, match='201'):
        SupernetEvaluator.check_images(tmp_path, **files, split='held_out', cfg_options=changes)
    SupernetEvaluator.check_images(tmp_path, **dict(files, checkpoint='elsewhere.pth'))


def test_both_phases_of_the_weight_sharing(tmp_path):
    """Their mean, as in validation; what is exported is the first."""
    path = config('vitas_twins', pictures(tmp_path / 'data'), tmp_path)
    model = build_model(standalone(Config.fromfile(path)))
    torch.save(dict(state_dict=randomised(model).state_dict(), meta={}), tmp_path / 'iter_4.pth')
    space = model.backbone.space
    both, *each = (
        SupernetEvaluator(
            space, str(path), str(tmp_path / 'iter_4.pth'), split='held_out', phase=phase
        )
        for phase in (None, 0, 1)
    )
    arch = space.smallest
    found, alone = both(arch), [evaluator(arch) for evaluator in each]
    assert found['accuracy/top1'] == sum(a['accuracy/top1'] for a in alone) / 2
    for i, figures in enumerate(alone):
        assert figures == {k: found[f'phase{i}/{k}'] for k in figures}
    weights = [
        subnet.state_dict()
        for subnet in (both.subnet(arch), each[0].subnet(arch), each[1].subnet(arch))
    ]
    same = [all(torch.equal(v, w[k]) for k, v in weights[0].items()) for w in weights]
    assert same == [True, True, False]


def test_without_a_cache_the_data_set_is_built_once(files, monkeypatch):
    built, build = [], Runner.build_dataloader
    archs = [get_space(SPACE).smallest, get_space(SPACE).largest]
    cached = [evaluator(files)(arch) for arch in archs]

    def counted(cfg, *args, **kwargs):
        built.append(cfg)
        return build(cfg, *args, **kwargs)

    monkeypatch.setattr(Runner, 'build_dataloader', staticmethod(counted))
    each = evaluator(files, cache=False)
    assert [each(arch) for arch in archs] == cached
    assert len(built) == 2 and not each._batches


def search(files: dict[str, str], task: str, folder: Path) -> Config:
    path = folder / 'search.py'
    path.write_text(
        SEARCH.format(metric='mIoU', high=0.45e9, **files).replace(
            f"task = '{files['config']}'", f"task = '{task}'"
        )
    )
    return Config.fromfile(path)


def test_the_identity_is_of_the_content(files, tmp_path):
    """The same paths, but other weights, other pictures."""
    first = read_search(search(files, files['config'], tmp_path)).identity
    assert first == read_search(search(files, files['config'], tmp_path)).identity
    config, checkpoint = Path(files['config']), Path(files['checkpoint'])
    before = config.read_text(), checkpoint.read_bytes()
    try:
        config.write_text(before[0] + "train_dataloader['batch_size'] = 1\n")
        second = read_search(search(files, files['config'], tmp_path)).identity
        config.write_text(before[0])
        content = torch.load(checkpoint, weights_only=True)
        next(iter(content['state_dict'].values())).add_(1)
        torch.save(content, checkpoint)
        third = read_search(search(files, files['config'], tmp_path)).identity
        checkpoint.unlink()
        absent = read_search(search(files, files['config'], tmp_path)).identity
    finally:
        config.write_text(before[0])
        checkpoint.write_bytes(before[1])
    cfg = search(files, files['config'], tmp_path)
    cfg.evaluator.cache = False  # changes no figure
    assert (
        read_search(cfg).identity == first
        and read_search(cfg).evaluators[0].options['cache'] is False
    )
    cfg.evaluator.seed = 1
    assert read_search(cfg).identity != first
    assert second['supernet']['train_dataloader'] != first['supernet']['train_dataloader']
    assert third['supernet']['checkpoint'] != first['supernet']['checkpoint']
    assert 'does not exist' in absent['supernet']['missing']
    for other in (second, third, absent):
        assert {k: v for k, v in other.items() if k != 'supernet'} == {
            k: v for k, v in first.items() if k != 'supernet'
        }


def test_what_is_exported_is_what_was_searched(files, tmp_path):
    """The whole model measures as in the search, or a warning says how it did there."""
    plan = read_search(search(files, files['config'], tmp_path))
    arch = plan.problem.space.smallest
    found = plan.evaluators[0].build()(arch)
    choice = Choice(arch, '0', {'candidate': 0}, found)
    done = export_choice(plan, choice, tmp_path / 'out', (64, 96))
    assert not done.warnings and done.measured['mIoU'] == found['mIoU']
    other = choice._replace(metrics=dict(found, mIoU=found['mIoU'] + 1), changed=True)
    done = export_choice(plan, other, tmp_path / 'other', (64, 96))
    assert 'not the one that was searched' in done.warnings[0]
    assert f'the search had mIoU {found["mIoU"] + 1:.6g}: data' in done.warnings[1]
    assert 'NOT the one that was searched' in (tmp_path / 'other/README.md').read_text()


@pytest.mark.slow
def test_what_is_exported_is_deployed(files, tmp_path):
    plan = read_search(search(files, files['config'], tmp_path))
    arch = plan.problem.space.smallest
    choice = Choice(arch, '0', {'candidate': 0}, plan.evaluators[0].build()(arch))
    export_choice(plan, choice, tmp_path / 'out', (64, 96))
    made = deploy(
        tmp_path / 'out/config.py',
        tmp_path / 'out/weights.pth',
        tmp_path / 'deployed',
        to='torch',
        shape=(64, 96),
    )
    assert made.measured['equal_labels'] == 1
    assert made.classes[0] == 'wall'


def test_a_supernet_of_another_model_than_the_task(files, tmp_path):
    """MACs would be of one model, mIoU of another."""
    task = tmp_path / 'task.py'
    task.write_text(
        f"_base_ = '{files['config']}'\nmodel = dict(model=dict(decode_head=dict(channels=32)))\n"
    )
    with pytest.raises(
        UsageError,
        match=r'entries differ, the first: decode_head\.\S+ is \w+ in '
        r'the supernet, \w+ in the task',
    ):
        read_search(search(files, str(task), tmp_path))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_calibration=-1), 'evaluator.num_calibration = -1, expected a whole number, at'),
        (dict(phase=1), 'phase = 1 of the weight sharing, allowed: 0'),
        (dict(seed='0'), "evaluator.seed = '0', expected a whole number"),
    ],
)
def test_mistakes(options, message, files):
    with pytest.raises(UsageError, match=message):
        SupernetEvaluator(get_space(SPACE), **files, **options)


@pytest.mark.parametrize('kinds', [['bbox'], ['bbox', 'segm']])
def test_a_detector_that_finds_nothing_has_no_precision(kinds, tmp_path):
    init_default_scope('mmdet')
    box = dict(
        id=1,
        image_id=1,
        category_id=1,
        bbox=[1, 1, 20, 20],
        area=400,
        iscrowd=0,
        segmentation=[[1, 1, 21, 1, 21, 21, 1, 21]],
    )
    (tmp_path / 'ann.json').write_text(
        json.dumps(
            dict(
                images=[dict(id=1, width=64, height=64, file_name='a.png')],
                categories=[dict(id=1, name='c')],
                annotations=[box],
            )
        )
    )
    metric = Evaluator([dict(type='CocoMetric', ann_file=str(tmp_path / 'ann.json'), metric=kinds)])
    metric.dataset_meta = dict(classes=('c',))
    nothing = dict(
        bboxes=torch.zeros(0, 4),
        scores=torch.zeros(0),
        masks=torch.zeros(0, 64, 64),
        labels=torch.zeros(0, dtype=torch.long),
    )
    nothing['masks'] = nothing['masks'].bool()
    metric.process(
        data_samples=[dict(img_id=1, ori_shape=(64, 64), pred_instances=nothing)], data_batch=None
    )
    items = ['mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l']
    assert evaluate_metrics(metric, 1) == {
        f'coco/{kind}_{item}': 0.0 for kind in kinds for item in items
    }
