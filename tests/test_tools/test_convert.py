"""tools/convert_checkpoint.py: from a downloaded file to what a config initialises from."""

from __future__ import annotations

import argparse

import pytest
import timm
import torch
from safetensors.torch import save_file

from nasvit_mm import create_model
from nasvit_mm.checkpoints import convert_official, read_checkpoint
from nasvit_mm.checkpoints.convert import EMAS, bare_weights
from nasvit_mm.cli import convert
from nasvit_mm.errors import UsageError
from nasvit_mm.families.vitas.network import ViTAS
from nasvit_mm.families.vitas_twins.network import TwinsViTAS
from tests.commands import error_line, start
from tests.conftest import Golden


def test_timm_to_a_dense_backbone(tmp_path):
    theirs = timm.create_model('twins_svt_small').state_dict()
    save_file(theirs, tmp_path / 'twins.safetensors')
    done = start(
        'convert_checkpoint',
        'vitas_twins',
        tmp_path / 'twins.safetensors',
        tmp_path / 'ours.pth',
        '--arch',
        'twins_svt_small',
    )
    assert done.returncode == 0, done.stderr
    assert '24.06 M numbers' in done.stdout
    net = TwinsViTAS(
        'twins_svt_small',
        stage_norm=True,
        out_width=8,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'ours.pth')),
    )
    net.init_weights()
    assert torch.equal(net.stages[2][9].mlp.fc1.weight, theirs['blocks.2.9.mlp.fc1.weight'])


def test_a_phase_of_a_supernet_by_net_id(tmp_path):
    golden = Golden('vitas')
    listed = golden.json('keys/vitas_supernet_384x16.json.gz')
    state = golden.rule.fill_state_dict({e['key']: torch.empty(e['shape']) for e in listed})
    torch.save({'model': {f'module.{k}': v for k, v in state.items()}}, tmp_path / 'super.pth.tar')
    case = golden.json('supernet/S384x16_path0.json.gz')
    net_id = ' '.join(map(str, case['subnet_m'] + case['channel_ids']))
    done = start(
        'convert_checkpoint',
        'vitas_deit_small',
        tmp_path / 'super.pth.tar',
        tmp_path / 'right.pth',
        '--arch',
        net_id,
        '--phase',
        '1',
    )
    assert done.returncode == 0, done.stderr
    ours = torch.load(tmp_path / 'right.pth', weights_only=True)
    expected = convert_official('vitas_deit_small', state, net_id, phase=1)
    assert all(torch.equal(v, expected[k]) for k, v in ours['state_dict'].items())
    create_model('vitas_deit_small', ours['meta']['arch']).load_state_dict(ours['state_dict'])
    ViTAS(
        ours['meta']['arch'],
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'right.pth')),
    ).init_weights()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['vitas_twins', 'FILE', 'out.pth'], 'give its arch'),
        (['vitas_twins', 'FILE', 'out.pth', '--arch', 'twins_svt_smal'], 'did you mean'),
        (['vitas_twins', 'FILE', 'out.pth', '--arch', 'twins_svt_base'], 'blocks in its stages'),
        (['vitas_twins', 'nowhere.pth', 'out.pth'], 'checkpoint nowhere.pth (= '),
        (['vitas', 'FILE', 'out.pth'], 'unknown space'),
    ],
)
def test_mistakes(arguments, message, tmp_path):
    torch.save(timm.create_model('twins_svt_small').state_dict(), tmp_path / 'file.pth')
    done = start(
        'convert_checkpoint', *[str(tmp_path / 'file.pth') if a == 'FILE' else a for a in arguments]
    )
    assert message in error_line(done.returncode, done.stderr)


@pytest.mark.parametrize('prefix', ['module.', 'module.module.', 'model.', '_orig_mod.module.'])
@pytest.mark.parametrize('container', [None, 'model', 'state_dict', *EMAS])
def test_prefixes_and_containers(prefix, container, tmp_path):
    weights = {'blocks.0.weight': torch.ones(2), 'head.bias': torch.zeros(1)}
    state = {prefix + key: value for key, value in weights.items()}
    content = {container: state, 'args': argparse.Namespace(lr=0.1)} if container else state
    if container in EMAS:
        content['state_dict'] = {key: value + 1 for key, value in state.items()}
    torch.save(content, tmp_path / 'file.pth')
    found = bare_weights(read_checkpoint(tmp_path / 'file.pth').content)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[key], weights[key]) for key in weights)


def test_weights_that_are_no_numbers():
    with pytest.raises(UsageError, match='1 of 2 tensors .* the first: head.bias'):
        bare_weights({'a': torch.ones(1), 'head.bias': torch.tensor([1.0, float('nan')])})


def test_a_file_with_all_of_them(tmp_path, capsys):
    """By the command: options of a training, averaged weights, two wrappers, a compiled model."""
    theirs = timm.create_model('twins_svt_small').state_dict()
    averaged = {f'module._orig_mod.module.{key}': value for key, value in theirs.items()}
    content = dict(
        args=argparse.Namespace(lr=0.1),
        state_dict={key: torch.zeros_like(value) for key, value in averaged.items()},
        state_dict_ema=averaged,
    )
    torch.save(content, tmp_path / 'file.pth')
    given = [tmp_path / 'file.pth', tmp_path / 'ours.pth', '--arch', 'twins_svt_small']
    convert.main(['vitas_twins', *map(str, given)])
    ours = torch.load(tmp_path / 'ours.pth', weights_only=True)['state_dict']
    assert '24.06 M numbers' in capsys.readouterr().out
    assert any(torch.equal(v, theirs['blocks.2.9.mlp.fc1.weight']) for v in ours.values())

    averaged['module._orig_mod.module.head.bias'][3] = float('nan')
    torch.save(content, tmp_path / 'file.pth')
    before = (tmp_path / 'ours.pth').read_bytes()
    with pytest.raises(UsageError, match=r'NaN.*head\.bias'):
        convert.main(['vitas_twins', *map(str, given)])
    assert (tmp_path / 'ours.pth').read_bytes() == before
