"""What goes wrong while a config is read or built is one sentence that says where."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import BaseLoop, Runner

from nasvit_mm.building import building, plain_words, read_file
from nasvit_mm.dense import build_model
from nasvit_mm.errors import UsageError
from tests.commands import CONFIG, ROOT


@pytest.mark.parametrize(
    ('name', 'text', 'said'),
    [
        ('a.py', 'model = dict(', r"a\.py: .*'\(' was never closed"),
        ('a.py', 'x = 1\ny = 1 / 0', r'line 2\): ZeroDivisionError'),
        ('a.py', "custom_imports = dict(imports=['no_such_module'])", 'no_such_module'),
        ('a.py', "_base_ = './a.py'", 'its own _base_'),
        ('a.py', b'\xd2\x00', 'it is no text'),
        ('a.py', 'x = "\0"', 'null bytes'),
        ('a.json', '{garbage', 'it is no JSON'),
        ('a.txt', 'model = 1', r'\.txt: expected a \.py'),
        ('a.yaml', 'x: 1\ny: !!python/object/apply:os.getcwd []', 'line 2: the tag python/object'),
        ('a.yml', 'x: !!python/tuple [1]', 'line 1: the tag python/tuple'),
        ('b.py', "_base_ = 'a.yaml'", 'the tag python/object/apply:os.getcwd'),
    ],
)
def test_a_file_that_cannot_be_read(
    name: str, text: str | bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / 'a.yaml').write_text('x: !!python/object/apply:os.getcwd []')
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=said) as caught:
        read_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'model.backbone.out_indices': (5,)}, r'model\.backbone: out_indices = '),
        ({'model.backbone.out_indices': 'x'}, r"model\.backbone: out_indices = 'x'"),
        ({'model.backbone.out_indices': None}, r'model\.backbone: out_indices = None'),
        ({'model.backbone.out_indices': (0.5,)}, r'model\.backbone: out_indices = \(0\.5'),
        ({'model.backbone.drop_path_rate': 'x'}, r"model\.backbone: drop_path_rate = 'x'"),
        ({'model.backbone.frozen_stages': 'x'}, r"model\.backbone: frozen_stages = 'x'"),
        ({'model.backbone.out_width': 0.5}, r'model\.backbone: out_width = 0\.5'),
        ({'model.backbone.norm_cfg': 'GN'}, r'model\.backbone: '),
        ({'model.backbone.with_cp': 'x'}, r"model\.backbone: with_cp = 'x', expected True or"),
        ({'model.backbone.frozen_stages': 99}, r'model\.backbone: frozen_stages = 99'),
        ({'model.decode_head.in_channels': 5}, r'model\.decode_head: '),
        ({'model.data_preprocessor.mean': [1, 2]}, r'data_preprocessor\.mean has 2 values'),
        ({'model.backbone.drop_path_rat': 0.1}, r'has no argument drop_path_rat .*drop_path_rate'),
        (
            {'model.backbone.type': 'nasvit_mm.NASVit'},
            r'model\.backbone: type = .*nasvit_mm\.NASViT',
        ),
        ({'model.backbone.type': None}, r'model\.backbone: '),
        ({'model.decode_head.type': 'SegformerHed'}, r'model\.decode_head: .*SegformerHead'),
        (
            {'model.decode_head.loss_decode.type': 'CrossEntropyLos'},
            r'loss_decode.*CrossEntropyLoss',
        ),
        ({'model.decode_head.dropout_ratio': 2}, r'model\.decode_head: dropout probability'),
        ({'model.decode_head.num_classes': 'x'}, r'model\.decode_head: '),
        ({'model.type': 'EncoderDecode'}, r'model: .*EncoderDecoder'),
    ],
    ids=str,
)
def test_a_model_that_cannot_be_built(options: dict, said: str) -> None:
    cfg = Config.fromfile(ROOT / CONFIG)
    cfg.merge_from_dict(options)
    with pytest.raises(UsageError, match=said) as caught:
        build_model(cfg)
    message = str(caught.value)
    assert '\n' not in message and 'More details' not in message and len(message) < 1000, message


def test_a_batch_of_one() -> None:
    with pytest.raises(UsageError, match='train_dataloader.batch_size=2'), building(Config()):
        torch.nn.BatchNorm2d(2)(torch.zeros(1, 2, 1, 1))


@pytest.mark.parametrize(
    'remedy', ['paramwise_cfg.bypass_duplicate=True', 'optimizer.weight_decay=0.05']
)
def test_an_optimizer_over_shared_weights(remedy: str) -> None:
    shared = torch.nn.Linear(2, 2)
    model = torch.nn.Sequential(shared, torch.nn.Sequential(shared))
    optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.05)
    wrapper = dict(
        type='OptimWrapper',
        optimizer=optimizer,
        paramwise_cfg=dict(bias_decay_mult=0.0, bypass_duplicate=True),
    )
    cfg, (part, key) = Config(dict(optim_wrapper=wrapper)), remedy.partition('=')[0].split('.')
    del cfg.optim_wrapper[part][key]
    with pytest.raises(UsageError, match=f'set optim_wrapper.{part}.{key}'), building(cfg):
        build_optim_wrapper(model, cfg.optim_wrapper)
    cfg.merge_from_dict({f'optim_wrapper.{part}.{key}': wrapper[part][key]})
    build_optim_wrapper(model, cfg.optim_wrapper)


def test_training_is_no_building() -> None:
    class Loop(BaseLoop):
        _iter = 1

        def __init__(self) -> None:
            pass

        def run(self) -> None:
            raise ValueError('a bug')

    with pytest.raises(ValueError, match='a bug') as caught, building(Config()):
        Loop().run()
    assert not isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'randomness.seed': 'x'}, 'randomness: '),
        ({'randomness.foo': 1}, 'randomness: .*foo'),
        ({'default_hooks.foo.type': 'Foo'}, r'default_hooks\.foo: type = .Foo.'),
        ({'custom_hooks': [{}]}, 'custom_hooks: .*no type'),
        ({'visualizer.type': 'Visualizr'}, 'visualizer: .*did you mean Visualizer'),
    ],
    ids=str,
)
def test_a_runner_that_cannot_be_built(options: dict, said: str, tmp_path: Path) -> None:
    cfg = Config(dict(model=dict(type='BaseDataPreprocessor'), work_dir=str(tmp_path)))
    cfg.merge_from_dict({'visualizer.type': 'Visualizer', 'randomness.seed': 1, **options})
    with pytest.raises(UsageError, match=said), building(cfg):
        Runner.from_cfg(cfg)


def test_what_a_worker_of_a_loader_raises_is_its_last_line() -> None:
    class Loop(BaseLoop):
        _iter = 0

        def __init__(self) -> None:
            pass

        def run(self) -> None:
            raise ValueError(
                'of a worker\nOriginal Traceback (most recent call last):\nKeyError: 1'
            )

    with pytest.raises(UsageError, match=r'first batch cannot be read: KeyError: 1'):
        with building(Config()):
            Loop().run()


def test_what_has_no_deterministic_kernel_is_named() -> None:
    """As torch says it in the backward of UperNet's pooling, on a GPU."""
    said = plain_words(
        RuntimeError(
            'adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but '
            "you set 'torch.use_deterministic_algorithms(True)'. You can turn off determinism just "
            'for this operation, or you can use the warn_only=True option.'
        )
    )
    assert said.startswith('adaptive_avg_pool2d_backward_cuda has no deterministic kernel on this')
