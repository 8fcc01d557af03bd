"""ViTAS against outputs of the public code, and Twins against its authors' and timm's."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch

from nasvit_mm import create_model, get_space
from nasvit_mm.checkpoints import convert_official, extract_subnet
from nasvit_mm.cost import count
from nasvit_mm.families.vitas_twins.checkpoint import rename
from nasvit_mm.families.vitas_twins.network import TwinsViTAS
from tests.authors import vitas_as_executed
from tests.conftest import GOLDEN, Golden

TOLERANCE = 1e-5  # absolute
SIDES = {'left': 0, 'right': 1}
SUPERNETS = {
    'S384x16': ('vitas_deit_small', '384x16'),
    'S384x12p16': ('vitas_deit_block', '384x12p16'),
    'S768x13': ('vitas_deit_base', '768x13'),
}
STATIC = {
    '858M': 'vitas_a',
    '1G': 'vitas_b',
    '1.3G': 'vitas_c',
    '2.7G': 'vitas_e',
    '4.9G': 'vitas_f',
}
SPACE_OF = {
    name: space
    for space in ('vitas_deit_small', 'vitas_deit_block', 'vitas_deit_base')
    for name in get_space(space).named
}
PATHS = sorted(
    p.name.removesuffix('.json.gz') for p in (GOLDEN / 'vitas/supernet').glob('S*.json.gz')
)


@pytest.fixture(scope='module')
def golden() -> Golden:
    return Golden('vitas')


def official(golden: Golden, keys: str) -> dict[str, torch.Tensor]:
    listed = golden.json(keys)
    return golden.rule.fill_state_dict({e['key']: torch.empty(e['shape']) for e in listed})


def difference(ours: torch.Tensor, reference) -> float:
    return float(np.abs(ours.detach().numpy() - np.asarray(reference, np.float32)).max())


def run(model, x) -> dict[str, torch.Tensor]:
    """Logits, and the way to them under the authors' names (without what differs in them)."""
    net, seen, handles = model.backbone, {}, []

    def note(module, name, function=lambda y: y):
        handles.append(
            module.register_forward_hook(lambda m, args, out: seen.__setitem__(name, function(out)))
        )

    stem = net.stems[net.plan.patch_size]
    note(stem.proj, 'patch_embed', lambda y: y.flatten(2).transpose(1, 2))
    note(stem, 'stem', lambda y: y[0])
    for slot, _ in net.plan.blocks:
        for part in ('norm1', 'attn', 'norm2', 'mlp'):
            note(getattr(net.blocks[slot], part), f'{slot}.{part}')
        note(net.blocks[slot], f'{slot}')
    note(net.norm, 'norm', lambda y: y[:, 0])
    try:
        with torch.no_grad():
            seen['logits'] = model(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def ours(name: str) -> str | None:
    """Our name of an intermediate; None for an identity."""
    place = name.split('_')[-1].split('.')
    if 'init_stem' in name:
        return 'patch_embed' if name.endswith('patch_embed') else 'stem'
    if 'Block' in name:
        return None if place[1] == '1' else '.'.join([place[0], *place[2:]])
    return 'norm' if 'Norm' in name else 'logits'


def check(seen: dict[str, torch.Tensor], intermediates: list[dict]) -> None:
    checked = 0
    for stored in intermediates:
        name = ours(stored['name'])
        if name is None or (name.isdigit() and name not in seen):
            continue  # an identity
        value = seen[name]
        assert list(value.shape) == stored['shape'], name
        first = value[0].flatten()[: len(stored['first'])]
        assert difference(first, stored['first']) < TOLERANCE, name
        assert abs(float(value.double().mean()) - stored['mean']) < TOLERANCE, name
        assert abs(float(value.double().std(correction=0)) - stored['std']) < TOLERANCE, name
        checked += 1
    coarse = {name for name in seen if name.isdigit()}
    assert checked > 2 and coarse <= {ours(i['name']) for i in intermediates}


# ---------------------------------------------------------------------- searched networks
@pytest.mark.parametrize('way', ['name', 'genome'])
@pytest.mark.parametrize('tag', ['858M', '1.3G'])
def test_searched_network(tag, way, golden):
    case, name = golden.json(f'static/{tag}.json.gz'), STATIC[tag]
    arch = case.get('net_id') if way == 'genome' else name
    if arch is None:
        arch = get_space(SPACE_OF[name]).named[name].to_dict()
    state = official(golden, f'keys/vitas_static_{tag}.json.gz')
    state = {f'module.{k}': v for k, v in state.items()}  # as released
    model = create_model(SPACE_OF[name], arch).eval()
    model.load_state_dict(convert_official(SPACE_OF[name], {'epoch': 300, 'model': state}, arch))
    seen = run(model, golden.rule.golden_input())
    assert difference(seen['logits'], golden.load(f'static/{tag}.npz')['logits']) < TOLERANCE
    check(seen, case['intermediates'])
    cost = count(model.space, model.arch)
    assert (cost.macs, cost.params) == (case['macs_torch_flop_counter'], case['params'])
    assert count(model.space, model.arch, counter='authors').macs == case['macs_official_counter']


@pytest.mark.parametrize(('tag', 'name'), STATIC.items())
def test_every_searched_network_converts(tag, name, golden):
    state = official(golden, f'keys/vitas_static_{tag}.json.gz')
    model = create_model(SPACE_OF[name], name)
    converted = convert_official(SPACE_OF[name], state, name)
    model.load_state_dict(converted)
    assert sum(p.numel() for p in model.parameters()) == sum(v.numel() for v in state.values())
    with pytest.raises(ValueError, match='give its arch'):
        convert_official(SPACE_OF[name], state)
    other = 'largest' if name != 'vitas_c' else 'smallest'
    with pytest.raises(ValueError, match='slots|shape'):
        convert_official(SPACE_OF[name], state, other)


# ---------------------------------------------------------------------- paths of supernets
@pytest.fixture(scope='module')
def states(golden):
    return {
        space: official(golden, f'keys/vitas_supernet_{keys}.json.gz')
        for space, keys in SUPERNETS.values()
        if any(p.startswith(k) for p in PATHS for k, v in SUPERNETS.items() if v[0] == space)
    }


@pytest.fixture(scope='module')
def supernets(states):
    """By space and whether the last position only is added: default models, loaded."""
    out = {}
    for space, state in states.items():
        converted = convert_official(space, state)
        for last in (False, True):
            out[space, last] = create_model(space, last_position_only=last).eval()
            out[space, last].load_state_dict(converted)
            assert out[space, last].backbone.sharing == 'bilateral'  # told by the checkpoint
    return out


@pytest.mark.parametrize('way', ['supernet', 'extracted', 'converted'])
@pytest.mark.parametrize('path', PATHS)
def test_path(path, way, states, supernets, golden):
    space = get_space(SUPERNETS[path.split('_')[0]][0])
    stored, logits = golden.json(f'supernet/{path}.json.gz'), golden.load(f'supernet/{path}.npz')
    genome = stored['subnet_m'] + stored['channel_ids']
    assert space.to_genome(space.arch(genome)) == genome
    assert space.arch(' '.join(map(str, genome))) == space.arch(genome)
    assert count(space, genome, counter='authors').macs == stored['macs_official_counter']
    for case in stored['cases']:
        arch = vitas_as_executed(space, genome) if case['case'] == 'as_is' else space.arch(genome)
        assert arch.width == case['executed']['embed_dim']
        last, phase = not case['case'].endswith('posfix'), SIDES[case['side']]
        if way == 'converted':
            model = create_model(space, arch, last_position_only=last).eval()
            model.load_state_dict(convert_official(space, states[space.name], arch, phase))
        else:
            model = supernets[space.name, last]
            if way == 'extracted':
                model = extract_subnet(model, arch, phase)
            model.set_arch(arch, phase)
        seen = run(model, golden.rule.golden_input())
        assert difference(seen['logits'], logits[case['logits_key']]) < TOLERANCE
        check(seen, case['intermediates'])
        if 'macs_torch_flop_counter' in case:
            assert count(space, arch).macs == case['macs_torch_flop_counter']


def test_gradients(supernets, golden):
    """One step of the public code: both sides, logits added; patch 16, whose stem it froze."""
    case = golden.json('supernet/grad_S384x16_path3.json.gz')
    space, model = get_space('vitas_deit_small'), supernets['vitas_deit_small', True].train()
    operators, ratios = case['subnet'][:19], case['subnet'][19:]
    arch = vitas_as_executed(space, operators + [round(10 * r) - 1 for r in ratios])
    x, logits = golden.rule.golden_input(), 0
    for phase in (0, 1):
        model.set_arch(arch, phase)
        logits = logits + model(x)
    target = torch.full((2, 1000), 0.1 / 999)
    target[[0, 1], case['labels']] = 0.9
    loss = -(target * logits.log_softmax(1)).sum(1).mean()
    loss.backward()
    assert float(loss) == pytest.approx(case['loss'], abs=1e-5)
    # Convert the names: the converter applied to tensors that each say which one they are.
    names = list(case['grad_l2'])
    shapes = {e['key']: e['shape'] for e in golden.json('keys/vitas_supernet_384x16.json.gz')}
    ids = {k: torch.full(shapes[k], float(i)) for i, k in enumerate(names)}
    theirs = {
        k: names[int(v.flatten()[0])]
        for k, v in convert_official('vitas_deit_small', ids).items()
        if 'rules' not in k
    }
    checked = 0
    for name, parameter in model.named_parameters():
        expected = case['grad_l2'][theirs[name]]
        if expected is None:
            # A mistake of theirs: only patch 14's stem was ever trained.
            assert (parameter.grad is None) != name.startswith('backbone.stems.16.'), name
            continue
        assert float(parameter.grad.norm()) == pytest.approx(expected, rel=1e-4, abs=1e-6), name
        checked += 1
    assert checked == sum(v is not None for v in case['grad_l2'].values())
    model.zero_grad(), model.eval()


def test_wrong_checkpoints(states, golden):
    state = states['vitas_deit_small']
    with pytest.raises(ValueError, match=r'slots \[0, 1, .*15\], vitas_deit_base'):
        convert_official('vitas_deit_base', state)
    with pytest.raises(ValueError, match='it looks like an official ViTAS checkpoint'):
        convert_official('nasvit', state)
    with pytest.raises(ValueError, match='it looks like Twins weights'):
        convert_official('vitas_deit_small', official(golden, 'twins/alt_gvt_small.json.gz'))
    with pytest.raises(ValueError, match='of no known kind'):
        convert_official('vitas_deit_small', {'layer.weight': torch.zeros(3)})
    narrow = get_space('vitas_deit_small').restrict(width=(38, 77))
    with pytest.raises(ValueError, match=r'shape \(1, 1, 384\), expected \(1, 1, 77\)'):
        convert_official(narrow, state)
    patch = get_space('vitas_deit_small').restrict(patch_size=16)
    model = create_model(patch)
    model.load_state_dict(convert_official(patch, state))
    with pytest.raises(RuntimeError, match="trained with sharing='bilateral'.*'cyclic'"):
        create_model('vitas_deit_small', sharing='cyclic').load_state_dict(
            convert_official('vitas_deit_small', state)
        )
    twins = timm.create_model('twins_pcpvt_small').state_dict()
    with pytest.raises(ValueError, match=r'blocks\.0\.0\.attn\.qkv'):
        convert_official('vitas_twins', twins, 'twins_svt_small')


# ---------------------------------------------------------------------- Twins
@pytest.mark.parametrize('size', ['small', 'base'])
def test_twins_classifier(size, golden):
    state = official(golden, f'twins/alt_gvt_{size}.json.gz')
    model = create_model('vitas_twins', f'twins_svt_{size}').eval()
    model.load_state_dict(convert_official('vitas_twins', state, f'twins_svt_{size}'))
    with torch.no_grad():
        logits = model(golden.rule.golden_input())
    reference = golden.load('twins/logits.npz')[f'alt_gvt_{size}']
    assert difference(logits, reference) < TOLERANCE
    case = next(
        c
        for c in golden.json('twins/twins_reference.json.gz')['cases']
        if c['model'] == f'alt_gvt_{size}' and c['kind'] == 'classification'
    )
    cost = count('vitas_twins', f'twins_svt_{size}')
    assert (cost.macs, cost.params) == (case['macs_torch_flop_counter'], case['params'])


DENSE = range(6)


@pytest.mark.parametrize('index', DENSE)
def test_twins_features(index, golden):
    """The authors' dense models: with and without masked padding, odd sizes."""
    cases = [
        c for c in golden.json('twins/twins_reference.json.gz')['cases'] if c['kind'] == 'dense'
    ]
    assert len(cases) == len(DENSE)
    case, arch = cases[index], 'twins_svt_small'
    net = TwinsViTAS(arch, stage_norm=True, mask_padding='mask' in case['variant']).eval()
    listed = golden.json('twins/alt_gvt_small.json.gz')
    shapes = {e['key']: e['shape'] for e in listed}
    for key in case['extra_keys']:
        shapes[key] = [64 * 2 ** int(key.split('.')[1])]
    state = golden.rule.fill_state_dict({k: torch.empty(s) for k, s in shapes.items()})
    state = rename(state, get_space('vitas_twins').only(arch))
    state = {k.removeprefix('backbone.'): v for k, v in state.items() if k.startswith('backbone.')}
    net.load_state_dict({**state, 'rules': net.rules})
    with torch.no_grad():
        maps = net(golden.rule.golden_input(case['input_seed'], tuple(case['input_shape'])))
    for y, stored in zip(maps, case['features'], strict=True):
        assert list(y.shape) == stored['shape']
        first = y[0].flatten()[: len(stored['first'])]
        assert difference(first, stored['first']) < TOLERANCE
        assert abs(float(y.mean()) - stored['mean']) < TOLERANCE
        assert abs(float(y.std(correction=0)) - stored['std']) < TOLERANCE


@pytest.mark.parametrize('size', ['small', 'base', 'large'])
def test_timm(size):
    """Random weights of timm: same logits, same maps."""
    torch.manual_seed(0)
    theirs = timm.create_model(f'twins_svt_{size}').eval()
    model = create_model('vitas_twins', f'twins_svt_{size}').eval()
    model.load_state_dict(convert_official('vitas_twins', theirs.state_dict(), f'twins_svt_{size}'))
    backbone = TwinsViTAS(f'twins_svt_{size}').eval()
    backbone.load_state_dict(model.backbone.state_dict())
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert difference(model(x), theirs(x).numpy()) < TOLERANCE
        features = theirs.forward_intermediates(x, intermediates_only=True)
        for ours_, theirs_ in zip(backbone(x), features, strict=True):
            assert difference(ours_, theirs_.numpy()) < TOLERANCE
