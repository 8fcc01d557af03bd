"""The way of a supernet that is trained in its task, as a user goes it: train, search, export,
test, fine-tune; of a segmentor and of a detector.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from nasvit_mm.demo_data import write_ade20k, write_coco
from tests.commands import ROOT, error_line, start

SEGMENTOR = """
_base_ = '{root}/configs/demo/nasvit_dense.py'
model = dict(model=dict(backbone=dict(init_cfg=None)))
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    batch_size=2, dataset=dict(every=3, dataset=dict(data_root='{data}')), **loader)
held_out_dataloader = dict(
    num_workers=0, dataset=dict(every=3, dataset=dict(data_root='{data}')))
val_dataloader = dict(dataset=dict(data_root='{data}'), **loader)
test_dataloader = dict(dataset=dict(data_root='{data}'), **loader)
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [dict(type='ConstantLR', factor=1.0, by_epoch=False)]
train_cfg = dict(max_iters=4, val_interval=4)
val_cfg = dict(num_calibration=2)
default_hooks = dict(checkpoint=dict(interval=2))
"""
DETECTOR = """
_base_ = '{root}/configs/demo/nasvit_detection.py'
model = dict(
    _delete_=True, type='nasvit_mm.Supernet', model=_base_.model,
    sampler=dict(type='sandwich', num_random=1), conflict=dict(rule='project'),
    distill=dict(sampled='largest', smallest='largest'), clip_grad=1.0)
optim_wrapper = dict(clip_grad=None)
model['model']['backbone'].update(
    arch='supernet', space=dict(space='nasvit', restrict=dict(resolution=[48])), out_width=32)
model['model']['neck'].update(in_channels=[32, 32, 32, 32])
model['model']['test_cfg'].update(score_thr=0.0)  # all boxes: hardly anything is learnt
split = dict(type='nasvit_mm.SplitDataset', every=3)
data = dict(_base_.train_dataloader.dataset, data_root='{data}')
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(_delete_=True, part='train', dataset=data, **split))
pipeline = [*_base_.test_pipeline[:-1], dict(type='PackDetInputs', meta_keys=(
    'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'))]
held_out_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(part='held_out', dataset=dict(data, pipeline=pipeline), **split))
held_out_evaluator = dict(type='CocoMetric', metric='bbox')
loader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{data}'))
val_dataloader = loader
test_dataloader = loader
val_evaluator = dict(ann_file='{data}/annotations/instances_val2017.json')
test_evaluator = val_evaluator
param_scheduler = [dict(type='ConstantLR', factor=1.0, by_epoch=False)]
train_cfg = dict(max_epochs=2, val_interval=2)
val_cfg = dict(type='nasvit_mm.SubnetValLoop', num_calibration=2)
test_cfg = dict(type='nasvit_mm.SubnetTestLoop', num_calibration=2)
custom_hooks = [dict(type='nasvit_mm.SupernetState')]
"""
SEARCH = """
space = dict(space='nasvit', restrict=dict(resolution=[48]))
task = '{config}'
input_size = (128, 192)
objectives = [dict(metric='{metric}', goal='max'), 'macs']
constraints = [dict(metric='macs', high={high})]
evaluator = dict(type='SupernetEvaluator', config='{config}', checkpoint='{checkpoint}',
                 split='held_out', num_calibration=2)
algorithm = dict(type='nsga2', population=3, generations=2)
"""
CASES = {
    'segmentation': (SEGMENTOR, 'mIoU', 0.45e9, 'iter_4.pth'),
    'detection': (DETECTOR, 'coco/bbox_mAP_50', 0.6e9, 'epoch_2.pth'),
}


def ran(tool: str, *arguments: str | Path) -> str:
    done = start(tool, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    'case', ['segmentation', pytest.param('detection', marks=pytest.mark.nightly)]
)
def test_from_training_to_fine_tuning(case, tmp_path):
    text, metric, high, last = CASES[case]
    data = tmp_path / 'data'
    write = write_ade20k if case == 'segmentation' else write_coco
    write(data, 9, 2, height=128, width=192, progress=False)
    config, search = tmp_path / 'supernet.py', tmp_path / 'search.py'
    config.write_text(text.format(root=ROOT, data=data))
    out = ran('train', config, '--work-dir', tmp_path / 'supernet')
    assert 'smallest/' in out and 'largest/' in out
    checkpoint = tmp_path / 'supernet' / last
    search.write_text(SEARCH.format(config=config, metric=metric, high=high, checkpoint=checkpoint))
    shown = ran('search', search, '--work-dir', tmp_path / 'search')
    assert 'per class' not in shown and 'DONE' not in shown
    lines = (tmp_path / 'search/archive.jsonl').read_text().splitlines()[1:]
    records = [json.loads(line) for line in lines]
    assert len(records) == 6 and len({r['metrics'][metric] for r in records}) > 1

    folder = tmp_path / 'chosen'
    out = ran('export_subnet', search, '--work-dir', tmp_path / 'search', '--out', folder)
    front = json.loads((tmp_path / 'search/front.json').read_text())
    best = max(front, key=lambda r: r['metrics'][metric])
    assert best['metrics'][metric] > 0
    # The tool measures the files it wrote, and warns where they are not what the search found.
    assert f'{metric} {best["metrics"][metric]:.6g}' in out
    card = (folder / 'README.md').read_text()
    assert 'The whole model' in card and 'measured of these weights' in card

    winner = Config.fromfile(folder / 'config.py')
    assert winner.optim_wrapper.clip_grad == dict(max_norm=1.0)
    assert 'SplitDataset' not in winner.train_dataloader.dataset.type
    assert 'SplitDataset' in winner.held_out_dataloader.dataset.type and 'held out' in card

    # tools/test.py on the held-out pictures finds the same, to the digit.
    again = tmp_path / 'again.py'
    again.write_text(
        f"_base_ = '{folder}/config.py'\n"
        'test_dataloader = dict(_delete_=True, **_base_.held_out_dataloader)\n'
        'test_evaluator = dict(_delete_=True, **_base_.held_out_evaluator)\n'
    )
    ran('test', again, folder / 'weights.pth', '--work-dir', tmp_path / 'test')
    found = json.loads(next((tmp_path / 'test').glob('*/*.json')).read_text())
    assert found[metric] == best['metrics'][metric]

    out = ran('train', folder / 'config.py')
    assert (folder / 'train' / last).is_file() and 'smallest/' not in out

    if case == 'segmentation':
        done = start('tools/dist_train.sh', config, 2, '--work-dir', tmp_path / 'two')
        assert done.returncode == 0, done.stderr[-3000:]
        assert 'loss_smallest' in done.stdout and 'keep statistics of their own' in done.stdout

    # A search by a classifier's accuracy, and the weights of the dense supernet.
    classes = tmp_path / 'classes.py'
    classes.write_text(f"""_base_ = '{search}'
objectives = ['accuracy/top1', 'macs']
evaluator = dict(_delete_=True, type='SupernetEvaluator', checkpoint='none.pth',
                 config='{ROOT}/configs/supernet/nasvit_tiny-imagenet20.py')
""")
    ran(
        'export_subnet',
        classes,
        '--arch',
        'smallest',
        '--checkpoint',
        checkpoint,
        '--out',
        tmp_path / 'dense',
    )
    card = (tmp_path / 'dense/README.md').read_text()
    assert re.search(rf'measured of these weights, on the held_out images: .*{metric} ', card)

    wrong = start(
        'export_subnet',
        search,
        '--work-dir',
        tmp_path / 'search',
        '--cfg-options',
        'evaluator.split=heldout',
    )
    assert 'differ' in error_line(wrong.returncode, wrong.stderr)
    wrong = start(
        'search',
        search,
        '--work-dir',
        tmp_path / 'other',
        '--cfg-options',
        'evaluator.split=heldout',
    )
    assert 'no heldout_dataloader; it has held_out, test, train, val' in error_line(
        wrong.returncode, wrong.stderr
    )
