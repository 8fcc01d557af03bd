"""ElasticViT against outputs of the authors' code: every stage and the logits, three ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nasvit_mm import create_model
from nasvit_mm.checkpoints import convert_official, extract_subnet
from nasvit_mm.nn import recalibrate_bn
from tests.conftest import GOLDEN, Golden
from tests.official import elasticvit_official

NAMES = sorted(
    path.stem
    for path in (GOLDEN / 'elasticvit/cases').glob('*.json')
    if not path.stem.startswith(('losses', 'bn_', 'train_'))
)
TOLERANCE = 2e-5  # absolute
STAGES = [f'stage{i}' for i in range(6)]


@pytest.fixture(scope='module')
def golden() -> Golden:
    return Golden('elasticvit')


@pytest.fixture(scope='module')
def checkpoints(golden):
    """Official weights and our supernet of them, without and with drifted indices."""
    out = {}
    for drifted in (False, True):
        state = elasticvit_official(golden, drifted)
        supernet = create_model('elasticvit').eval()
        supernet.load_state_dict(convert_official('elasticvit', state))
        out[drifted] = state, supernet
    return out


def run(model, x) -> dict[str, torch.Tensor]:
    """Logits and what the golden files hold of the way to them."""
    seen, handles = {}, []

    def note(name, function=None):
        def hook(module, args, output):
            seen[name] = output if function is None else function(output)

        return hook

    net, arch = model.backbone, model.arch
    handles.append(net.stem_bn.register_forward_hook(note('first_conv', F.hardswish)))
    handles.append(net.stem_blocks[arch.depth[0] - 1].register_forward_hook(note('conv_stem')))
    for i, (name, blocks) in enumerate(zip(STAGES, net.stages)):
        last = arch.depth[i + 1] - (i < 2)  # an entry comes before the transformer blocks
        handles.append(blocks[last].register_forward_hook(note(name)))
    handles.append(
        model.head.expand.register_forward_hook(
            note('pre_head_0_linear', lambda x: x.flatten(2).transpose(1, 2))
        )
    )
    handles.append(model.head.mix.register_forward_hook(note('pre_head_1_linear')))
    try:
        with torch.no_grad():
            seen['logits'] = model(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def difference(ours: torch.Tensor, reference) -> float:
    return float(np.abs(ours.numpy() - np.asarray(reference, np.float32)).max())


def test_there_are_cases():
    assert len(NAMES) >= 12 and any('ema_index' in n for n in NAMES)


@pytest.mark.parametrize('way', ['supernet', 'extracted', 'converted'])
@pytest.mark.parametrize('name', NAMES)
def test_case(name, way, checkpoints, golden):
    state, supernet = checkpoints[name.endswith('_ema_index')]
    case = golden.json(f'cases/{name}.json')
    if way == 'supernet':
        model = supernet
        model.set_arch(case['arch'])
    elif way == 'extracted':
        model = extract_subnet(supernet, case['arch'])
    else:
        model = create_model('elasticvit', case['arch']).eval()
        model.load_state_dict(convert_official('elasticvit', state, case['arch']))
    height, width = case['input_hw']
    x = golden.rule.golden_input(
        case['resolution'], case['batch'], case['input_seed'], height, width
    )
    seen = run(model, torch.from_numpy(x))
    assert seen['logits'].shape == (2, 1000)
    assert difference(seen['logits'], golden.load(f'cases/{name}.npz')['logits']) < TOLERANCE
    assert len(case['stages']) == 10
    for stage, stored in case['stages'].items():
        ours = seen[stage]
        assert list(ours.shape) == stored['shape']
        assert difference(ours[0].flatten()[:64], stored['first64_sample0']) < TOLERANCE
        assert abs(float(ours.mean()) - stored['mean']) < TOLERANCE
        assert abs(float(ours.std(correction=0)) - stored['std']) < TOLERANCE


def test_gradients(golden, checkpoints):
    """Training mode, with batch statistics: loss and gradient of every parameter, by its name."""
    case, (state, _) = golden.json('cases/train_grad_elastic_T1.json'), checkpoints[False]
    model = create_model('elasticvit').train()
    model.load_state_dict(convert_official('elasticvit', state))
    model.set_arch(case['arch'])
    x = torch.from_numpy(golden.rule.golden_input(case['resolution'], 4, case['input_seed']))
    target = np.random.RandomState(1).standard_normal((4, 1000)).astype(np.float32)
    logits = model(x)
    loss = -(torch.from_numpy(target).softmax(1) * logits.log_softmax(1)).sum(1).mean()
    loss.backward()
    assert difference(logits.detach(), golden.load('cases/train_grad_elastic_T1.npz')['logits']) < (
        TOLERANCE
    )
    assert float(loss) == pytest.approx(case['loss'], abs=1e-5)

    # Convert the names: the converter applied to tensors that each say which one they are.
    ids = {
        k: torch.full(v.shape, float(i)) if v.is_floating_point() else v
        for i, (k, v) in enumerate(state.items())
    }
    names = list(state)
    ours = {
        k: names[int(v.flatten()[0])]
        for k, v in convert_official('elasticvit', ids).items()
        if v.is_floating_point()
    }
    checked = 0
    for key, parameter in model.named_parameters():
        theirs = case['grads'].get(ours[key])
        if theirs is None:
            assert parameter.grad is None and ours[key] in case['params_without_grad']
            continue
        grad = parameter.grad
        scale = max(theirs['l2'], 1e-3)
        assert float(grad.norm()) == pytest.approx(theirs['l2'], abs=2e-4 * scale), key
        assert difference(grad.flatten()[:8], theirs['first8']) < 2e-4 * scale, key
        checked += 1
    assert checked == len(case['grads'])
    norm = model.backbone.stem_bn
    np.testing.assert_allclose(
        norm.running_mean[: len(case['first_conv_bn_running_mean_after'])],
        case['first_conv_bn_running_mean_after'],
        atol=1e-5,
    )


def test_recalibration(checkpoints, golden):
    case = golden.json('cases/bn_recalibration_elastic_S1.json')
    subnet = extract_subnet(checkpoints[False][1], case['arch'])
    batches = [
        torch.from_numpy(
            np.random.RandomState(100 + i).standard_normal((4, 3, 224, 224)).astype(np.float32)
        )
        for i in range(3)
    ]
    assert recalibrate_bn(subnet, batches) == 3
    x = torch.from_numpy(golden.rule.golden_input(case['resolution'], 2, case['input_seed']))
    reference = golden.load('cases/bn_recalibration_elastic_S1.npz')['logits']
    assert difference(run(subnet, x)['logits'], reference) < TOLERANCE * 10  # std 1.45, not 0.2
    stored = case['bn']['first_conv_bn']
    norm = subnet.backbone.stem_bn
    np.testing.assert_allclose(norm.running_mean[:8], stored['running_mean_first8'], atol=1e-6)
    np.testing.assert_allclose(norm.running_var[:8], stored['running_var_first8'], rtol=1e-5)
