"""Official NASViT files: names, shapes, what is damaged, what is not NASViT."""

from __future__ import annotations

import sys
import types
from collections import OrderedDict

import pytest
import torch
from mmengine.runner import CheckpointLoader

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import convert_official, extract_subnet, read_checkpoint, weights_only
from nasvit_mm.errors import ArchitectureError, UsageError

SPACE = get_space('nasvit')
STATIC = {'min': 'smallest', 'max': 'largest', 'rand03': None}


@pytest.fixture(scope='module')
def rand03(nasvit_golden):
    return next(
        c['config'] for c in nasvit_golden.json('index.json')['cases'] if c['name'] == 'rand03'
    )


def test_every_official_tensor_is_used_or_known_to_be_unused(nasvit_official):
    """Convert a checkpoint whose tensors are all different: each one must be found again."""
    converted = convert_official('nasvit', nasvit_official)
    ours = {float(v.double().sum()) for v in converted.values() if v.is_floating_point()}
    ours |= {float(v.double().flatten(1).sum()) for v in converted.values() if v.ndim > 1}
    lost = [
        k
        for k, v in nasvit_official.items()
        if v.is_floating_point() and float(v.double().sum()) not in ours
    ]
    known = ('bn_tracking', 'mobile_inverted_conv.rescale', 'rescale_attn', 'rescale_mlp')
    lost = [k for k in lost if not any(part in k for part in known)]
    # Shortcuts of blocks whose widths cannot differ.
    starts = {0, 2, 7, 13, 19, 28, 36}
    assert all('shortcut' in k and int(k.split('.')[1]) not in starts for k in lost), lost


def test_file_with_ema_and_a_foreign_class(nasvit_official, tmp_path, monkeypatch):
    """The authors' file: EMA weights win, and a yacs object inside needs no yacs to read."""
    module = types.ModuleType('yacs.config')

    class CfgNode(dict):
        pass

    CfgNode.__module__, CfgNode.__qualname__ = 'yacs.config', 'CfgNode'
    module.CfgNode = CfgNode
    monkeypatch.setitem(sys.modules, 'yacs', types.ModuleType('yacs'))
    monkeypatch.setitem(sys.modules, 'yacs.config', module)
    config = CfgNode(AMP_OPT_LEVEL='O0', DATA=CfgNode(BATCH_SIZE=64))
    config.__dict__['__immutable__'] = True
    path = tmp_path / 'ckpt_360.pth'
    torch.save(
        dict(
            model={k: torch.zeros_like(v) for k, v in nasvit_official.items()},
            model_ema=nasvit_official,
            optimizer={},
            lr_scheduler={},
            max_accuracy=78.3,
            epoch=360,
            config=config,
        ),
        path,
    )
    monkeypatch.delitem(sys.modules, 'yacs.config')
    monkeypatch.delitem(sys.modules, 'yacs')
    content = read_checkpoint(path).content
    assert content['epoch'] == 360
    model = create_model('nasvit', 'smallest')
    model.load_state_dict(convert_official('nasvit', content, 'smallest'))
    official = nasvit_official['first_conv.conv.conv.weight'][:16]
    assert torch.equal(model.backbone.stem.weight, official)


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return print, ('code ran',)


class Reaching:
    """Reaches for what a class on the list gives access to."""

    def __reduce__(self):
        return getattr, (OrderedDict, 'clear')


@pytest.mark.parametrize('planted', ['print', 'getattr'])
@pytest.mark.parametrize('load', ['read_checkpoint', 'mmengine'])
def test_a_file_that_wants_to_run_code_is_refused(load, planted, tmp_path, capsys):
    """By our reader, and by mmengine's own loader while a command runs."""
    path = str(tmp_path / 'evil.pth')
    what = Evil() if planted == 'print' else Reaching()
    torch.save(dict(state_dict=dict(a=torch.zeros(1)), config=what), path)
    with pytest.raises(UsageError, match=rf'object of \S*{planted}'):
        if load == 'read_checkpoint':
            read_checkpoint(path)
        else:
            with weights_only():
                CheckpointLoader.load_checkpoint(path)
    assert 'code ran' not in capsys.readouterr().out


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / 'text.pth').write_text('not a checkpoint')
    with pytest.raises(UsageError, match='text.pth'):
        read_checkpoint(tmp_path / 'text.pth')
    with pytest.raises(UsageError, match='nowhere.pth'):
        read_checkpoint(tmp_path / 'nowhere.pth')


def test_outside_of_it_torch_loads_as_ever(tmp_path):
    torch.save(Evil, tmp_path / 'any.pth')
    load, allowed = torch.load, set(torch.serialization.get_safe_globals())
    with pytest.raises(UsageError, match=r'any\.pth holds an object of .*Evil'), weights_only():
        torch.load(tmp_path / 'any.pth')
    assert torch.load is load and set(torch.serialization.get_safe_globals()) == allowed
    assert torch.load(tmp_path / 'any.pth', weights_only=False) is Evil


def test_prefix_and_number_of_classes(nasvit_official):
    state = {f'module.{k}': v for k, v in nasvit_official.items()}
    for name in ('weight', 'bias'):
        key = f'module.classifier.linear.linear.{name}'
        state[key] = state[key][:10]
    model = create_model('nasvit', 'smallest', num_classes=10)
    model.load_state_dict(convert_official('nasvit', state, 'smallest'))


def test_position_table_of_another_window_size(nasvit_official):
    key = 'blocks.14.attn.relative_position_bias_table'
    small = dict(nasvit_official)
    small[key] = torch.randn(13 * 13, 9)
    ours = convert_official('nasvit', small)['backbone.stages.3.1.attn.position.weight']
    expected = (
        torch.nn.functional.interpolate(
            small[key].t().reshape(1, 9, 13, 13), (35, 35), mode='bicubic'
        )
        .reshape(9, -1)
        .t()
    )
    assert torch.equal(ours, expected)
    small[key] = torch.randn(170, 9)
    with pytest.raises(ValueError, match='170 rows'):
        convert_official('nasvit', small)


def test_damaged_index_buffers_do_not_matter(nasvit_official):
    damaged = {
        k: torch.full_like(v, 7) if 'position_index' in k else v for k, v in nasvit_official.items()
    }
    a, b = (convert_official('nasvit', s) for s in (nasvit_official, damaged))
    assert all(torch.equal(a[k], b[k]) for k in a)


def official_static(keys: dict, state: dict, depths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """What the authors' extraction writes: consecutive blocks, prefixes, shorter names."""
    flat = [start + j for start, d in zip((0, 2, 7, 13, 19, 28, 36), depths) for j in range(d)]
    out = {}
    for key, (shape, _) in keys.items():
        source = key.replace('last_conv.0.', 'last_conv.final_expand_layer.')
        source = source.replace('last_conv.2.', 'last_conv.feature_mix_layer.')
        parts = source.split('.')
        if parts[0] == 'blocks':
            parts[1] = str(flat[int(parts[1])])
        tries = []
        for i in range(len(parts)):
            tries.append('.'.join(parts[: i + 1] + parts[i:]))
        name = next((t for t in ['.'.join(parts), *tries] if t in state), None)
        assert name, key
        tensor = state[name]
        for axis, n in enumerate(shape):
            start = (tensor.shape[axis] - n) // 2 if axis >= 2 else 0
            tensor = tensor.narrow(axis, start, n)
        out[key] = tensor
    return out


@pytest.mark.parametrize('name', STATIC)
def test_subnet_that_the_authors_code_extracted(name, nasvit_golden, nasvit_official, rand03):
    arch = SPACE.arch(STATIC[name] or rand03)
    static = official_static(
        nasvit_golden.json(f'nasvit_static_{name}.json'), nasvit_official, arch.depth
    )
    ours = convert_official('nasvit', static, arch)
    expected = convert_official('nasvit', nasvit_official, arch)
    assert ours.keys() == expected.keys()
    assert all(torch.equal(ours[k], v) for k, v in expected.items())
    with pytest.raises(ValueError, match='give its arch'):
        convert_official('nasvit', static)
    if name != 'max':
        with pytest.raises(ValueError, match='blocks'):
            convert_official('nasvit', static, 'largest')


def test_restricted_supernet(nasvit_official):
    """The converted supernet of a restriction runs its members as the whole one does."""
    small = SPACE.restrict(
        depth=dict(mb4=(4, 5), mb6=3),
        width=dict(mb5=(112, 120), first_conv=16),
        kernel_size=dict(mb2=3),
        resolution=(192, 288),
    )
    part = create_model(small, num_classes=1000).eval()
    part.load_state_dict(convert_official(small, nasvit_official))
    whole = create_model('nasvit').eval()
    whole.load_state_dict(convert_official('nasvit', nasvit_official))
    for arch in [small.smallest, *small.sample(0, 2)]:
        part.set_arch(arch)
        subnet = create_model(small, arch).eval()
        subnet.load_state_dict(convert_official(small, nasvit_official, arch))
        x = torch.randn(1, 3, arch.resolution, arch.resolution)
        with torch.inference_mode():
            expected = extract_subnet(whole, arch.to_dict())(x)
            torch.testing.assert_close(part(x), expected)
            torch.testing.assert_close(subnet(x), expected)


@pytest.mark.parametrize(
    ('keys', 'looks'),
    [
        (['feature_exactor.0.layers.0.weight'], 'official ElasticViT'),
        (['net.backbone_init_stem_Patch_init_0.0.cls_token'], 'official ViTAS'),
        (['backbone.stem.weight'], 'nasvit_mm itself'),
        (['backbone.layer1.0.conv1.weight'], 'OpenMMLab checkpoint of another model'),
        (['some.weight'], 'no known kind'),
    ],
)
def test_a_wrong_checkpoint_says_what_it_looks_like(keys, looks):
    with pytest.raises(ValueError, match=f'{looks}.*expected keys that begin'):
        convert_official('nasvit', {k: torch.zeros(3) for k in keys})


def test_a_cut_checkpoint(nasvit_official):
    cut = {k: v for k, v in nasvit_official.items() if 'blocks.20.mlp1' not in k}
    with pytest.raises(ValueError, match='lacks 4 of'):
        convert_official('nasvit', cut)
    fewer = {k: v for k, v in nasvit_official.items() if not k.startswith('blocks.41.')}
    with pytest.raises(ValueError, match='41 blocks'):
        convert_official('nasvit', fewer)
    narrow = dict(nasvit_official)
    narrow['first_conv.conv.conv.weight'] = torch.zeros(8, 3, 3, 3)
    with pytest.raises(ValueError, match=r'\(8, 3, 3, 3\)'):
        convert_official('nasvit', narrow)


def test_arch_outside_the_space(nasvit_official):
    with pytest.raises(ArchitectureError, match='did you mean'):
        convert_official('nasvit', nasvit_official, 'nasvit_mini')
    with pytest.raises(ArchitectureError, match='unknown space'):
        convert_official('nasvitt', nasvit_official)
