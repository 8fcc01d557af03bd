"""NASViT against outputs of the authors' code: every stage and the logits, all ways to a subnet."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nasvit_mm import create_model
from nasvit_mm.checkpoints import convert_official, extract_subnet
from nasvit_mm.nn import ElasticBatchNorm2d, recalibrate_bn
from tests.conftest import Golden

CASES = {c['name']: c for c in Golden('nasvit').json('index.json')['cases']}
TOLERANCE = 1e-4  # max |difference| / std of the reference
STAGES = [f'mb{i}' for i in range(1, 8)]


@pytest.fixture(scope='module')
def supernet(nasvit_official):
    model = create_model('nasvit').eval()
    model.load_state_dict(convert_official('nasvit', nasvit_official))
    return model


def run(model, x) -> dict[str, torch.Tensor]:
    """Logits and the map after every stage, as the golden files name them."""
    seen, handles = {}, []

    def note(name, function=None):
        def hook(module, args, output):
            seen[name] = output if function is None else function(output)

        return hook

    handles.append(model.backbone.stem_bn.register_forward_hook(note('first_conv', F.silu)))
    for name, blocks, depth in zip(STAGES, model.backbone.stages, model.arch.depth):
        handles.append(blocks[depth - 1].register_forward_hook(note(name)))
    handles.append(model.head.expand_bn.register_forward_hook(note('final_expand', F.silu)))
    handles.append(model.head.mix.register_forward_hook(note('feature_mix', F.silu)))
    try:
        with torch.no_grad():
            seen['logits'] = model(x)
    finally:
        for handle in handles:
            handle.remove()
    seen['pool'] = seen['final_expand'].mean((2, 3))
    for name in STAGES:
        if seen[name].ndim == 3:  # tokens: the golden files hold (N, C, H, W)
            seen[name] = seen[name].transpose(1, 2)
    return seen


def relative(ours: torch.Tensor, reference: np.ndarray, std: float) -> float:
    return float(np.abs(ours.numpy() - reference).max()) / std


@pytest.mark.parametrize('way', ['supernet', 'extracted', 'converted'])
@pytest.mark.parametrize('name', CASES)
def test_case(name, way, supernet, nasvit_official, nasvit_golden):
    case, golden = CASES[name], nasvit_golden.load(CASES[name]['file'])
    if way == 'supernet':
        model = supernet
        model.set_arch(case['config'])
    elif way == 'extracted':
        model = extract_subnet(supernet, case['config'])
    else:
        model = create_model('nasvit', case['config']).eval()
        model.load_state_dict(convert_official('nasvit', nasvit_official, case['config']))
    seen = run(model, nasvit_golden.picture(case))
    assert seen['logits'].shape == (2, 1000)
    assert relative(seen['logits'], golden['logits'], golden['logits'].std()) < TOLERANCE
    for stage in case['stages']:
        ours = seen[stage['stage']]
        assert ours[0].numel() == np.prod(stage['shape'][1:])
        first = ours[0].flatten()[:64]
        assert relative(first, golden[f'first64_{stage["stage"]}'], stage['std']) < TOLERANCE
        assert abs(float(ours.mean()) - stage['mean']) < TOLERANCE * stage['std']
        assert abs(float(ours.std()) / stage['std'] - 1) < 1e-4


def test_training_mode(nasvit_official, nasvit_golden):
    """Batch statistics, and the shared running ones: only the first channels move."""
    golden = nasvit_golden.load('train_forward_min.npz')
    model = create_model('nasvit').train()
    model.load_state_dict(convert_official('nasvit', nasvit_official))
    model.set_arch('smallest')
    seen = run(model, torch.from_numpy(nasvit_golden.rule.golden_input(192, 192)))
    assert relative(seen['logits'], golden['logits'], golden['logits'].std()) < TOLERANCE
    for name in STAGES:
        reference = golden[f'{name}_first64']
        assert relative(seen[name][0].flatten()[:64], reference, reference.std()) < TOLERANCE
    norms = {
        'first_conv.bn.bn': model.backbone.stem_bn,
        'blocks.2.mobile_inverted_conv.inverted_bottleneck.bn.bn': model.backbone.stages[1][
            0
        ].expand_bn,
        'blocks.36.mobile_inverted_conv.depth_conv.bn.bn': model.backbone.stages[6][0].depthwise_bn,
        'last_conv.final_expand_layer.bn.bn': model.head.expand_bn,
    }
    for key, norm in norms.items():
        for name in ('running_mean', 'running_var'):
            np.testing.assert_allclose(
                getattr(norm, name), golden[f'{key}.{name}'], rtol=1e-4, atol=1e-5
            )
        assert int(norm.num_batches_tracked) == golden[f'{key}.num_batches_tracked']


def test_recalibration(supernet, nasvit_golden):
    golden, rule = nasvit_golden.load('bn_recalibration_min.npz'), nasvit_golden.rule
    before = {k: v.clone() for k, v in supernet.state_dict().items()}
    subnet = extract_subnet(supernet, 'smallest')
    batches = (torch.from_numpy(rule.golden_input(192, 192, batch=4, seed=s)) for s in (11, 12, 13))
    assert recalibrate_bn(subnet, batches) == 3
    logits = run(subnet, torch.from_numpy(rule.golden_input(192, 192)))['logits']
    assert relative(logits, golden['logits'], golden['logits'].std()) < TOLERANCE
    norms = {
        'first_conv.bn': subnet.backbone.stem_bn,
        'blocks.1.mobile_inverted_conv.inverted_bottleneck.bn': subnet.backbone.stages[1][
            0
        ].expand_bn,
        'blocks.16.mobile_inverted_conv.depth_conv.bn': subnet.backbone.stages[6][0].depthwise_bn,
        'last_conv.0.bn': subnet.head.expand_bn,
    }
    for key, norm in norms.items():
        for name in ('running_mean', 'running_var'):
            reference = golden[f'{key}.{name}']
            assert relative(getattr(norm, name), reference, reference.std()) < TOLERANCE
    assert all(torch.equal(before[k], v) for k, v in supernet.state_dict().items())
    assert not any(m.training for m in subnet.modules() if isinstance(m, ElasticBatchNorm2d))


@pytest.mark.parametrize('side', [304, 320, (304, 208)])
def test_layer_scale_row_is_the_trained_one(side, supernet):
    """Any input size reads the row of the training resolution: all others may be NaN."""
    backbone = supernet.backbone
    height, width = (side, side) if isinstance(side, int) else side
    for arch in ('nasvit_min', 'nasvit_like_309m'):
        backbone.set_arch(arch)
        x = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        scales = {n: p for n, p in backbone.named_parameters() if '.scale_' in n}
        saved = {n: p.detach().clone() for n, p in scales.items()}
        with torch.no_grad():
            expected = backbone(x)[-1]
            for name, p in scales.items():
                stage = int(name.split('.')[1])
                plan = backbone.plan.stages[stage][1]
                keep = p[plan.depth.start, plan.row.start].clone()
                p.fill_(float('nan'))
                p[plan.depth.start, plan.row.start] = keep
            result = backbone(x)[-1]
            for name, p in scales.items():
                p.copy_(saved[name])
        assert torch.equal(result, expected) and result.isfinite().all()


def test_layer_scale_row_is_the_spec_one(supernet, nasvit_official):
    """192: mb4 reads row 0, mb5 and mb6 row 4, mb7 row 1 of the official (10, 8, C) tables."""
    subnet = extract_subnet(supernet, 'nasvit_min')
    for stage, first_block, row in ((3, 14, 0), (4, 20, 4), (5, 29, 4), (6, 37, 1)):
        block = subnet.backbone.stages[stage][1]
        official = nasvit_official[f'blocks.{first_block}.rescale_attn'][3, row]
        assert torch.equal(
            block.scale_attn.weight[0, 0], official[: block.scale_attn.weight.shape[-1]]
        )
