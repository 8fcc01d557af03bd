"""Values that a training's config cannot mean, from the file to the first step: one sentence each.

Nothing is trained: the loop ends at once where a config is accepted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmengine.runner import IterBasedTrainLoop

from nasvit_mm import apis
from nasvit_mm.errors import UsageError
from tests.test_runtime.toy import ToyModel, quick_runs, toy_config

NAN = float('nan')
LOADER, HOOKS, LR = 'train_dataloader', 'default_hooks', 'optim_wrapper.optimizer.lr'
SAVING = f'{HOOKS}.checkpoint'
TYPE, DICT, NUMBER = 'dict(type=NAME', 'dict(...)', 'a whole number'
PARAMWISE = 'optim_wrapper.paramwise_cfg'
MULTIPLIERS = [
    ('norm_decay_mul', 0.0, 'did you mean norm_decay_mult'),
    ('custom_keys', dict(norm=dict(lr_mul=10.0)), 'did you mean lr_mult'),
    ('custom_keys', dict(norm=5), 'expected dict(lr_mult'),
]
REFUSED: list[tuple[str, Any, str]] = [  # key, value, what is said besides the key
    (f'{LOADER}.dataset', None, TYPE),
    (f'{LOADER}.dataset', 'x', TYPE),
    (f'{LOADER}.dataset.indices', 0, 'at least 1'),
    (f'{LOADER}.dataset', dict(type='nasvit_mm.ToyData', indices=10**9), 'there are 8'),
    *[(f'{LOADER}.batch_size', value, NUMBER) for value in (0, -1, None, 'x', 1.5)],
    *[(f'{LOADER}.num_workers', value, NUMBER) for value in ('x', None, -1, 1.5, 100000)],
    (f'{LOADER}.sampler', 5, TYPE),
    (f'{LOADER}.sampler', {}, 'no type'),
    (f'{LOADER}.pin_memory', 'x', 'True or False'),
    (f'{LOADER}.foo', 1, 'has foo, allowed: '),
    (LOADER, None, 'training needs'),
    (LOADER, 5, DICT),
    ('train_cfg', None, 'training needs'),
    ('train_cfg', 5, DICT),
    ('train_cfg', {}, "needs 'max_iters'"),
    *[('train_cfg.max_iters', value, NUMBER) for value in (0, -1, 1.5, 'x', None)],
    ('train_cfg.max_iters', NAN, 'a number'),
    *[('train_cfg.val_interval', value, NUMBER) for value in (-1, 0, 'x', 1.5, None)],
    ('train_cfg.val_begin', 'x', NUMBER),
    ('train_cfg', dict(type='Foo', max_iters=10), 'no loop is registered'),
    ('train_cfg', dict(type=5, max_iters=10), 'type = 5, expected the name'),
    ('train_cfg', dict(type='IterBasedTrainLoop', max_iter=5), 'did you mean max_iters'),
    *[(LR, value, 'a number') for value in (NAN, -1, 1e30, 'x')],
    ('optim_wrapper.optimizer', dict(type='SGD', lr=None), 'lr = None, expected a number'),
    ('optim_wrapper', dict(optimizer=dict(type='SGDD', lr=1)), 'did you mean SGD'),
    ('optim_wrapper', dict(optimizer=dict(type=None, lr=1)), 'no optimizer is registered'),
    ('optim_wrapper.optimizer.momentum', NAN, 'a number'),
    ('optim_wrapper.optimizer', dict(type='SGD', lr=1, momentum='x'), "momentum = 'x'"),
    *[('optim_wrapper.optimizer', value, TYPE) for value in (None, 5)],
    *[('optim_wrapper.accumulative_counts', value, NUMBER) for value in (0, -1, 'x')],
    ('optim_wrapper.clip_grad', dict(foo=1), 'has foo, allowed: max_norm'),
    ('optim_wrapper.clip_grad', 5, DICT),
    ('optim_wrapper.clip_grad.max_norm', 'x', 'a number'),
    ('optim_wrapper', dict(type='Foo', optimizer=dict(type='SGD', lr=1)), 'no optim_wrapper is'),
    (SAVING, dict(type='CheckpointHook', interval='x'), "interval = 'x'"),
    (SAVING, dict(type='CheckpointHook', interval=1.5), 'interval = 1.5'),
    (SAVING, dict(type='CheckpointHook', by_epoch='x'), 'True or False'),
    (SAVING, dict(type='CheckpointHook', save_best=5), 'save_best = 5'),
    (SAVING, dict(type='CheckpointHook', save_best='foo'), 'Cannot infer the rule for key foo'),
    (f'{SAVING}.max_keep_ckpts', 0, 'at least 1, or -1'),
    *[(SAVING, value, TYPE) for value in (5, 'x')],
    *[(f'{HOOKS}.logger.interval', value, 'at least 1') for value in (0, 'x')],
    (f'{HOOKS}.foo', dict(type='Foo'), 'no hook is registered'),
    *[(f'{HOOKS}.foo', value, TYPE) for value in (5, None)],
    *[(HOOKS, value, DICT) for value in (5, [])],
    ('custom_hooks', [dict(type='Foo')], 'custom_hooks.0: type'),
    ('custom_hooks', [5], TYPE),
    ('custom_hooks', [{}], 'no type'),
    ('custom_hooks', 7, 'a list'),
    *[('randomness.seed', value, NUMBER) for value in ('x', 2**40, -1)],
    *[('randomness', value, DICT) for value in (None, 5)],
    ('randomness.foo', 1, 'has foo, allowed: seed'),
    ('param_scheduler', 5, 'a list'),
    ('param_scheduler', [5], TYPE),
    ('param_scheduler', [dict(type='Foo', by_epoch=False)], 'type = '),
    ('param_scheduler', [dict(type='PolyLR', power='x', by_epoch=False)], "power = 'x'"),
    ('param_scheduler', [dict(type='PolyLR', powr=1, by_epoch=False)], 'did you mean power'),
    *[('val_evaluator', value, '') for value in (None, 5, [])],
    ('val_evaluator', dict(type='Foo'), 'no metric is registered'),
    ('val_evaluator', dict(type='nasvit_mm.ToyMetric', foo=1), 'has no argument foo'),
    ('val_cfg', None, 'give all three'),
    ('val_cfg', dict(type='Foo'), 'no loop is registered'),
    ('val_dataloader', 5, DICT),
    *[('env_cfg', value, DICT) for value in (None, 5, dict(mp_cfg=5))],
    ('env_cfg.dist_cfg.backend', 'foo', 'allowed: '),
    ('env_cfg.cudnn_benchmark', 'x', 'True or False'),
    ('env_cfg.mp_cfg.mp_start_method', 'foo', 'did you mean fork'),
    ('default_scope', 'foo', 'no package of that name'),
    ('default_scope', 5, 'a text'),
    *[('log_level', value, 'allowed: CRITICAL') for value in ('FOO', 5)],
    ('load_from', 5, 'a file or URL'),
    ('load_from', '/nope/x.pth', ''),
    *[('resume', value, 'True or False') for value in ('x', 5)],
    ('visualizer', 5, DICT),
    ('visualizer', dict(type='Foo'), 'no visualizer is registered'),
    ('visualizer.vis_backends', [dict(type='Foo')], ''),
    *[('launcher', value, '') for value in ('foo', 5)],
    ('log_processor', 5, DICT),
    ('log_processor.by_epoch', 'x', 'True or False'),
    ('log_processor.window_size', 'x', NUMBER),
    ('auto_scale_lr', 5, DICT),
    *[('auto_scale_lr.base_batch_size', value, NUMBER) for value in ('x', 0)],
    *[('model', value, '') for value in (None, 5)],
    ('model', {}, 'no type'),
    ('model', dict(type='nasvit_mm.ToyModle'), 'did you mean nasvit_mm.ToyModel'),
    ('model', dict(type=5), 'expected the name of a class'),
    ('model', dict(type='nasvit_mm.ToyModel', foo=1), 'has no argument foo'),
    ('model', dict(type='nasvit_mm.ToyModel', nan_loss='x'), "nan_loss = 'x'"),
    ('model', dict(type='nasvit_mm.ToyModel', data_preprocessor=5), DICT),
    ('model', dict(type='nasvit_mm.ToyModel', init_cfg=5), DICT),
    ('model.init_cfg', dict(type='Foo'), 'no weight initializer is registered'),
    ('model.init_cfg', dict(type='Pretrained'), "needs 'checkpoint'"),
    ('model.init_cfg', dict(type='Pretrained', checkpoint='/nope.pth'), 'do not exist'),
    ('model_wrapper_cfg', 5, DICT),
    *[('steps_per_epoch', value, NUMBER) for value in (0, 'x')],
    ('activation_checkpointing', ['foo'], 'foo'),
    ('compile', 'x', 'dict or bool'),
    ('sync_bn', 'foo', 'allowed: torch, mmcv'),
    ('work_dir', 5, 'a text'),
    ('env_cfg.mp_cfg.mp_start_metod', 'fork', 'did you mean mp_start_method'),
    ('auto_scale_lr.base_batchsize', 2, 'did you mean base_batch_size'),
    *[(f'{PARAMWISE}.{key}', value, said) for key, value, said in MULTIPLIERS],
    (f'{SAVING}.intervall', 2, 'did you mean interval'),
    ('custom_hooks', [dict(type='CheckpointHook', save_bst='auto')], 'did you mean save_best'),
    ('val_evaluator', dict(type='mmseg.IoUMetric', iou_metric=['mIoU']), 'mean iou_metrics'),
    (f'{LOADER}.dataset.data_prefix', dict(img_pth='.'), 'did you mean img_path'),
    (f'{LOADER}.dataset.metainfo', dict(clases=['x']), 'did you mean classes'),
]
SAID: list[tuple[str, Any, str]] = [  # it runs, and the log says what that means
    (f'{LOADER}.sampler', None, 'in the same order'),
    (LR, 0, 'nothing is learned'),
    *[(f'{SAVING}.interval', value, 'no checkpoint is saved before') for value in (0, -1)],
    (SAVING, None, 'no checkpoint is saved at all'),
]


# What is read and is in no signature; nothing is said of it.
TAKEN: list[tuple[str, Any]] = [
    (PARAMWISE, dict(custom_keys=dict(norm=dict(lr_mult=2.0, momentum=0.5)))),
    (PARAMWISE, dict(custom_keys=dict(weight=dict(lr_mult=2.0)))),
    (f'{SAVING}.priority', 'VERY_LOW'),
    ('val_evaluator', dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'], prefix='x')),
    (f'{LOADER}.dataset.data_prefix', dict(img='.')),
    (f'{LOADER}.dataset.metainfo', dict(caption_prompt='x')),
]


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with quick_runs():
        yield


def train(key: str, value: Any, folder: Path) -> None:
    cfg = toy_config(folder)
    *above, last = key.split('.')
    node: Any = cfg
    for name in above:
        node = node.setdefault(name, {})
    node[last] = value
    apis.train(cfg)


def ids(rows: list) -> list[str]:
    return [f'{key}={value!r}'[:60] for key, value, _ in rows]


@pytest.mark.parametrize(('key', 'value', 'said'), REFUSED, ids=ids(REFUSED))
def test_refused(
    key: str, value: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IterBasedTrainLoop, 'run', lambda loop: None)
    with pytest.raises(UsageError) as caught:
        train(key, value, tmp_path)
    text = str(caught.value)
    assert said in text and '\n' not in text and len(text) < 600, text
    assert key.partition('.')[0] in text or key == 'load_from', text


@pytest.mark.parametrize(('key', 'value', 'said'), SAID, ids=ids(SAID))
def test_said(
    key: str, value: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple] = []
    monkeypatch.setattr('nasvit_mm.runtime.values.print_log', lambda *line: lines.append(line))
    monkeypatch.setattr(IterBasedTrainLoop, 'run', lambda loop: None)
    train(key, value, tmp_path)
    assert len(lines) == 1 and key in lines[0][0] and said in lines[0][0]
    assert lines[0][2] == logging.WARNING


@pytest.mark.parametrize(('key', 'value'), TAKEN)
def test_taken(key: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[tuple] = []
    monkeypatch.setattr('nasvit_mm.runtime.read_keys.print_log', lambda *line: lines.append(line))
    monkeypatch.setattr(IterBasedTrainLoop, 'run', lambda loop: None)
    train(key, value, tmp_path)
    assert not lines


@pytest.mark.parametrize(
    ('key', 'said'),
    [
        ('wieght', ' has wieght, which is in the name of no parameter of the model (did you mean'),
        ('weight', '.weight has wd_mult, which mmengine does not read'),
    ],
)
def test_a_custom_key_of_no_effect(
    key: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple] = []
    monkeypatch.setattr('nasvit_mm.runtime.read_keys.print_log', lambda *line: lines.append(line))
    monkeypatch.setattr(IterBasedTrainLoop, 'run', lambda loop: None)
    options = dict(wd_mult=0.0) if key == 'weight' else dict(lr_mult=2.0)
    train(f'{PARAMWISE}.custom_keys', {key: options}, tmp_path)
    assert len(lines) == 1 and f'custom_keys{said}' in lines[0][0]


def test_the_toy_itself_is_accepted(tmp_path: Path) -> None:
    train('train_cfg.max_iters', 10, tmp_path)
    assert (tmp_path / 'iter_10.pth').exists()


def test_a_config_that_resumes_takes_files_of_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``--resume`` does; mmengine would follow the pointer, wherever it leads."""
    train('train_cfg.max_iters', 10, tmp_path / 'one')
    (tmp_path / 'two').mkdir()
    pointer = (tmp_path / 'one/last_checkpoint').read_text()
    (tmp_path / 'two/last_checkpoint').write_text(pointer)
    lines: list[str] = []
    monkeypatch.setattr('nasvit_mm.runtime.resume.print_log', lambda text, *_: lines.append(text))
    apis.train({**toy_config(tmp_path / 'two'), 'resume': True})
    assert lines == [f'{tmp_path}/two has no checkpoint yet: a fresh start']


def test_the_remedy_for_no_validation(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='to train without validation give ') as caught:
        train('train_cfg.val_interval', -1, tmp_path)
    remedy = str(caught.value).split('validation give ')[1].split()
    runner = apis.train(toy_config(tmp_path), options={each[:-5]: None for each in remedy})
    assert all(each.endswith('=None') for each in remedy) and runner.iter == 10


# ------------------------------------------------------------------ the first step
def test_what_the_first_step_runs_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the config's fault more often than not; what a later one raises is left as it is."""
    forward = ToyModel.forward

    def failing(self: ToyModel, *args: Any, **kwargs: Any) -> Any:
        if int(self.norm.num_batches_tracked) >= self.scores[0]:
            raise KeyError('gt_sem_seg')
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(ToyModel, 'forward', failing)
    said = r"the first step fails in ToyModel\.failing: KeyError: 'gt_sem_seg' is missing"
    with pytest.raises(UsageError, match=said):
        train('model.scores', (0,), tmp_path)
    with pytest.raises(KeyError, match='gt_sem_seg'):
        train('model.scores', (1,), tmp_path)
