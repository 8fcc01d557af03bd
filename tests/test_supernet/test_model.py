"""A step of a supernet: every space, sampler, rule and source of targets."""

from __future__ import annotations

import itertools

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from nasvit_mm.checkpoints import extract_subnet
from nasvit_mm.cost import count
from nasvit_mm.dense import kind_of
from nasvit_mm.errors import UsageError
from nasvit_mm.nn import ElasticScale
from nasvit_mm.registry import MODELS
from nasvit_mm.runtime import SKIPPED
from nasvit_mm.supernet import (
    LARGEST,
    SAMPLED,
    SAMPLERS,
    SMALLEST,
    NonFiniteLoss,
    Supernet,
    adaptive_alpha_divergence,
    mixed_teachers,
    project_conflict,
    soft_cross_entropy,
)
from tests.families import NETWORKS, randomised, small

CLASSES, TEACHER = 5, 'mobilenetv3_small_050'


def tiny(space: str):
    """For pictures of 32 pixels."""
    return small(space).restrict(resolution=32)


def build(space: str, seed: int = 0, sampler=None, **options) -> Supernet:
    torch.manual_seed(seed)
    model = MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=dict(
                dict(type='nasvit_mm.ImageClassifier', space=tiny(space), num_classes=CLASSES),
                **options.pop('model', {}),
            ),
            sampler=sampler or dict(type='sandwich', num_random=1),
            **options,
        )
    )
    return randomised(model).train()


def batch(seed: int = 0, n: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return dict(
        inputs=torch.randn(n, 3, 32, 32, generator=generator),
        labels=torch.randint(0, CLASSES, (n,), generator=generator),
    )


def wrapper(model: Supernet, **options) -> OptimWrapper:
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), **options)


def gradients(model: Supernet, choices, loss_of) -> list:
    """Sum of separate backwards."""
    model.zero_grad()
    inputs = model.model.data_preprocessor(batch(), True)['inputs']
    for choice in choices:
        model.set_arch(choice.arch, choice.phase)
        loss_of(choice.role, model.model(inputs)).backward()
    out = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    return out


def moved(model: Supernet, before: dict) -> list:
    return [before[n] - p.detach() for n, p in model.named_parameters()]


@pytest.mark.parametrize('rule', ['sum', 'project'])
@pytest.mark.parametrize('space', NETWORKS)
def test_a_step_is_its_parts(space, rule):
    """In-place distillation, the largest network apart, limit on the subnets' sum, the rule."""
    options = dict(
        conflict=dict(rule=rule), clip_grad=0.5, distill=dict(sampled='largest', smallest='largest')
    )
    model, twin = build(space, **options), build(space, **options)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    active = model.model.backbone.arch
    logged = model.train_step(batch(), wrapper(model))
    assert model.model.backbone.arch == active
    assert {'loss', f'loss_{LARGEST}', f'loss_{SMALLEST}', f'loss_{SAMPLED}', 'grad_norm'} <= set(
        logged
    )

    largest, *others = twin.sampler.draw(1)
    targets = []

    def loss_of(role, logits):
        if role == LARGEST:
            targets.append(logits.detach().softmax(1))
            return torch.nn.functional.cross_entropy(logits, batch()['labels'])
        return adaptive_alpha_divergence(logits, targets[0])

    sup, sub = gradients(twin, [largest], loss_of), gradients(twin, others, loss_of)
    norm = torch.stack([g.norm() for g in sub if g is not None]).norm()
    assert float(logged['grad_norm']) == pytest.approx(float(norm), rel=1e-4)
    scale = min(1.0, 0.5 / (float(norm) + 1e-6))
    sub = [None if g is None else g * scale for g in sub]
    if rule == 'sum':
        expected = [b if a is None else a if b is None else a + b for a, b in zip(sub, sup)]
    else:
        expected = project_conflict(sub, sup)
    for change, g in zip(moved(model, before), expected):
        torch.testing.assert_close(
            change, torch.zeros_like(change) if g is None else g, rtol=1e-3, atol=1e-5
        )


def test_the_wrapper_limits_the_whole_gradient():
    """Subnets and the largest network keep their shares of it."""
    free, model = build('nasvit'), build('nasvit')
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    free.train_step(batch(), wrapper(free))
    logged = model.train_step(batch(), wrapper(model, clip_grad=dict(max_norm=0.1)))
    whole, limited = moved(free, before), moved(model, before)
    norm = torch.stack([g.norm() for g in whole]).norm()
    assert norm > 0.2 and 'grad_norm' not in logged  # the wrapper's own is of the message hub
    for g, part in zip(whole, limited):
        torch.testing.assert_close(part, g * (0.1 / norm), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(('limit', 'times'), [(1e-3, 1), (1e3, 0)])
def test_a_limit_that_leaves_subnets_little_is_told_once(limit, times, monkeypatch):
    said = []
    monkeypatch.setattr('nasvit_mm.supernet.model.WATCHED', 2)
    monkeypatch.setattr(
        'nasvit_mm.supernet.model.print_log', lambda text, **options: said.append(text)
    )
    model = build('nasvit', clip_grad=limit)
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.0))
    for _ in range(4):
        model.train_step(batch(), optim)
    found = [text for text in said if 'has left the subnets' in text]
    assert len(found) == times
    assert all('clip_grad = 0.001' in t and 'dict(max_norm=0.001)' in t for t in found)


def test_a_parted_batch():
    """The largest network sees the whole batch, the others a part each, and its answers for it."""
    options = dict(
        sampler=dict(type='sandwich', num_random=2),
        distill=dict(sampled='largest', smallest='largest'),
        conflict=dict(rule='sum'),
        split_batch=True,
    )
    model, twin = build('nasvit', **options), build('nasvit', **options)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.train_step(batch(n=7), wrapper(model))

    ready, seen = twin.model.data_preprocessor(batch(n=7), True), [slice(None)]
    seen += [slice(0, 2), slice(2, 4), slice(4, 7)]
    for choice, images in zip(twin.sampler.draw(1), seen, strict=True):
        twin.set_arch(choice.arch, choice.phase)
        logits = twin.model(ready['inputs'][images])
        if choice.role == LARGEST:
            target = logits.detach().softmax(1)
            loss = torch.nn.functional.cross_entropy(logits, ready['labels'])
        else:
            loss = adaptive_alpha_divergence(logits, target[images])
        loss.backward()
    for change, p in zip(moved(model, before), twin.parameters()):
        g = torch.zeros_like(change) if p.grad is None else p.grad
        assert float((change - g).norm()) <= 1e-3 * float(g.norm()) + 1e-5


def test_a_batch_that_cannot_be_parted_is_refused():
    with pytest.raises(UsageError, match='Uniform.*sampled'):
        build('nasvit', sampler=dict(type='uniform'), split_batch=True)
    model = build('nasvit', sampler=dict(type='sandwich', num_random=2), split_batch=True)
    with pytest.raises(UsageError, match='batch of 2 images.*the 3 subnets.*batch_size'):
        model.train_step(batch(n=2), wrapper(model))


def test_a_schedule_that_frees_too_many_later_is_refused_at_once():
    schedule = [dict(steps=9), dict(free='rest', num_random=2)]
    sampler = dict(type='shrinking', sampler=dict(type='sandwich'), schedule=schedule)
    model = build('nasvit', sampler=sampler, split_batch=True)
    with pytest.raises(UsageError, match='batch of 2 images.*the 3 subnets'):
        model.train_step(batch(n=2), wrapper(model))


def test_the_last_batch_of_an_epoch_may_be_too_small_to_be_parted():
    model = build('nasvit', sampler=dict(type='sandwich', num_random=2), split_batch=True)
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-6))
    seen, forward = [], model.model.backbone.forward
    model.train_step(batch(n=6), optim)
    model.model.backbone.forward = lambda x: seen.append(len(x)) or forward(x)
    model.train_step(batch(n=2), optim)
    assert seen == [2, 2, 2, 2]


@pytest.fixture
def teacher(tmp_path) -> tuple[torch.nn.Module, str]:
    """A timm model, and a local file of its weights."""
    import timm

    torch.manual_seed(3)
    model = timm.create_model(TEACHER, num_classes=1000)
    torch.save(model.state_dict(), tmp_path / 'teacher.pth')
    return model.eval(), str(tmp_path / 'teacher.pth')


@pytest.mark.parametrize(
    ('sampler', 'distill'),
    [
        (
            dict(type='sandwich', num_random=1),
            dict(largest='teachers', sampled='largest', smallest='largest'),
        ),
        (
            dict(type='levels', levels=[20e6], tolerance=20e6, num=2, smallest={}, count_args={}),
            dict(sampled='teachers', smallest='mean'),
        ),
    ],
    ids=['nasvit', 'elasticvit'],
)
def test_a_step_of_the_papers_recipes(sampler, distill, teacher):
    """External teachers' sharpened probabilities, the largest one's, the mean of the sampled."""
    net, file = teacher
    options = dict(
        model=dict(num_classes=1000),
        sampler=sampler,
        distill=distill,
        teachers={TEACHER: file},
        conflict=dict(rule='sum'),
    )
    model, twin = build('elasticvit', **options), build('elasticvit', **options)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    average = ExponentialMovingAverage(model)
    assert average.module._teachers[0] is model._teachers[0]
    model.train_step(batch(), wrapper(model))
    target = mixed_teachers([net(batch()['inputs'])], model.distill.temperature)
    seen = {LARGEST: [], SAMPLED: [], SMALLEST: []}

    def loss_of(role, logits):
        seen[role].append(logits.detach().softmax(1))
        source = distill[role]
        if source == 'teachers':
            return soft_cross_entropy(logits, target)
        others = seen[LARGEST] if source == 'largest' else seen[SAMPLED]
        return adaptive_alpha_divergence(logits, torch.stack(others).mean(0))

    expected = gradients(twin, list(twin.sampler.draw(1)), loss_of)
    assert len(seen[SAMPLED]) == (2 if sampler['type'] == 'levels' else 1)
    for change, g in zip(moved(model, before), expected):
        torch.testing.assert_close(
            change, torch.zeros_like(change) if g is None else g, rtol=1e-3, atol=1e-5
        )


class ScaledWrapper(AmpOptimWrapper):
    """Loss scaling on a CPU, where mmengine's wrapper refuses to be built."""

    def __init__(self, optimizer: torch.optim.Optimizer, scale: float, **options) -> None:
        OptimWrapper.__init__(self, optimizer, **options)
        self._scale_update_param, self.cast_dtype = None, torch.bfloat16
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=scale)

    def optim_context(self, model):
        return OptimWrapper.optim_context(self, model)


def scaled(model: Supernet, scale: float, **options) -> ScaledWrapper:
    return ScaledWrapper(torch.optim.SGD(model.parameters(), lr=1.0), scale, **options)


@pytest.mark.parametrize('whole', [{}, dict(clip_grad=dict(max_norm=0.1))])
@pytest.mark.parametrize('rule', ['sum', 'project'])
def test_loss_scaling_changes_no_step(rule, whole):
    """Limits and projection see gradients of the loss, not of the scaled one."""
    options = dict(conflict=dict(rule=rule), clip_grad=0.5)
    plain, model = build('nasvit', **options), build('nasvit', **options)
    plain.train_step(batch(), wrapper(plain, **whole))
    model.train_step(batch(), scaled(model, 1024.0, **whole))
    for (name, p), q in zip(plain.named_parameters(), model.parameters()):
        torch.testing.assert_close(q, p, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize('role', [LARGEST, SMALLEST])
def test_an_overflow_skips_the_step_and_lowers_the_scale(role, monkeypatch):
    """Of the largest network too, whose gradients the scaler does not look at."""
    model = build('nasvit', clip_grad=0.5)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optim, loss_of = scaled(model, 1024.0), model.distill.loss
    monkeypatch.setattr(
        model.distill, 'loss', lambda r, *heard: loss_of(r, *heard) * (1e36 if r == role else 1.0)
    )  # times 1024: beyond float32
    model.train_step(batch(), optim)
    assert optim.loss_scaler.get_scale() == 512.0
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_a_gradient_that_no_scale_helps_is_named(monkeypatch):
    """The scaler would skip every step, and say nothing."""
    model = build('vitas_deit_small')
    optim, loss_of = scaled(model, 1024.0), model.distill.loss

    def broken(of, *heard):
        loss = loss_of(of, *heard)
        if of == SMALLEST:
            loss.register_hook(lambda g: g * float('nan'))
        return loss

    monkeypatch.setattr(model.distill, 'loss', broken)
    model._skipped = SKIPPED - 2
    model.train_step(batch(), optim)
    with pytest.raises(NonFiniteLoss, match=f'{SKIPPED - 1} before it, of .*the smallest subnet'):
        model.train_step(batch(), optim)


@pytest.mark.parametrize(
    ('name', 'space'), list(zip(sorted(SAMPLERS.module_dict), itertools.cycle(NETWORKS)))
)
def test_two_steps_of_every_sampler(name, space):
    sampler = dict(type=name)
    if name == 'shrinking':
        schedule = [dict(steps=1), dict(free='rest')]
        sampler.update(sampler=dict(type='sandwich'), schedule=schedule)
    if name in ('levels', 'bank'):
        largest = count(tiny(space), 'largest').macs
        sampler.update(
            levels=(0.3 * largest, 0.5 * largest), tolerance=0.1 * largest, count_args={}
        )
    distill = dict(smallest='mean') if name in ('levels', 'bank') else {}
    model = build(space, sampler=sampler, distill=distill, agc=0.1)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = wrapper(model)
    for step in range(2):
        losses = model.train_step(batch(step), optimizer)
        assert all(v.isfinite() for v in losses.values())
    assert any(m.any() for m in moved(model, before))
    if name == 'bank':
        entries = [e for level in model.sampler.bank.entries for e in level]
        assert entries and all(score < 0 for _, score in entries)
    subnet = extract_subnet(model.model, model.sampler.space.smallest)
    assert subnet.eval()(batch()['inputs']).isfinite().all()


def test_scoring_moves_no_statistics():
    model = build('nasvit')
    state = {k: v.clone() for k, v in model.state_dict().items()}
    choice = next(iter(model.sampler.draw(1)))
    model._scores([choice], batch())
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_sources_of_targets():
    for options, message in (
        (dict(distill=dict(largest='mean')), "largest = 'mean', allowed: labels, teachers"),
        (dict(distill=dict(sampled='teachers')), 'teachers=None'),
        (dict(distill=dict(temperature=0)), 'temperature = 0'),
        (dict(clip_grad=-1.0), r'clip_grad = -1\.0, must be above 0'),
        (dict(agc=0.0), r'agc = 0\.0, must be above 0'),
        (dict(log_cosine=-1), 'log_cosine = -1'),
        (dict(conflict=dict(rule='both')), "'both', allowed: project, sum"),
        (dict(sampler=dict(type='random')), "sampler type = 'random'.*, allowed: .*sandwich"),
        (
            dict(sampler=dict(type='levels', smallest={200e6: 'nope'})),
            "unknown nasvit architecture 'nope'",
        ),
    ):
        with pytest.raises(UsageError, match=message):
            build('nasvit', **options)
    for sampler, distill, message in (
        ('uniform', dict(sampled='largest'), 'no largest subnet before it; .* are sampled'),
        ('sandwich', dict(smallest='mean'), 'no sampled subnet before it'),
    ):
        with pytest.raises(ValueError, match=message):
            build('nasvit', sampler=dict(type=sampler), distill=distill)
    model = build('nasvit')
    with pytest.raises(UsageError, match='accumulative_counts'):
        model.train_step(batch(), wrapper(model, accumulative_counts=2))
    with pytest.raises(UsageError, match='Linear is no model of mmengine'):
        kind_of(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="give arch='supernet'"):
        build('nasvit', model=dict(arch='smallest'))


def test_teachers_stay_out_of_checkpoints(teacher, tmp_path):
    net, file = teacher
    options = dict(model=dict(num_classes=1000), distill=dict(largest='teachers'))
    model = build('elasticvit', teachers={TEACHER: file}, **options)
    assert not any('teacher' in k for k in model.state_dict())
    assert set(model.state_dict()) == set(build('elasticvit').state_dict())
    again = build('elasticvit', teachers=[TEACHER], teacher_weights=[file], **options)
    assert torch.equal(*(m._teachers[0](batch()['inputs'])[0] for m in (model, again)))
    ours = model._teachers[0](batch()['inputs'])[0]
    torch.testing.assert_close(ours, net(batch()['inputs']))
    (tmp_path / 'garbage.pth').write_bytes(b'garbage')
    for teachers, weights, classes, message in (
        ([TEACHER], ['nowhere.pth'], 1000, 'weights of the teacher .* nowhere'),
        ([TEACHER], [file, file], 1000, 'teacher_weights has 2 files for the teachers mobile'),
        ([TEACHER], [file], CLASSES, 'has 1000 classes, the model 5: teachers=None'),
        (['resnet18'], [file], 1000, r'resnet18 cannot be had: .*teacher\.pth'),
        (['resnet0'], [file], 1000, 'resnet0 cannot be had'),
        ([TEACHER], [str(tmp_path / 'garbage.pth')], 1000, r'cannot be had: .*garbage\.pth'),
    ):
        with pytest.raises(UsageError, match=message):
            build(
                'elasticvit',
                model=dict(num_classes=classes),
                teachers=teachers,
                teacher_weights=weights,
                distill=dict(largest='teachers'),
            )


def test_without_teachers_labels_are_learnt(monkeypatch):
    """One switch; and teachers that nobody learns from are not loaded."""
    distill = dict(largest='teachers', sampled='largest')
    off = build('nasvit', teachers=None, distill=distill)
    labels = build('nasvit', teachers=['no-such-model'], distill=dict(sampled='largest'))
    for model in (off, labels):
        model.train_step(batch(), wrapper(model))
    for a, b in zip(off.parameters(), labels.parameters()):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(sampler=dict(type='levels', levels=[20e6], tolerance=20e6)),
            'LevelSampler remembers',
        ),
        (
            dict(
                sampler=dict(
                    type='shrinking',
                    sampler=dict(type='levels', levels=[20e6], tolerance=20e6),
                    schedule=[dict(steps=1), dict(free='rest')],
                )
            ),
            'ShrinkingSampler remembers',
        ),
        (dict(model=dict(norm_cfg=dict(type='SyncBN'))), 'takes its statistics over all processes'),
    ],
)
def test_ranks_that_draw_for_themselves_share_nothing(options, message):
    with pytest.raises(UsageError, match=message):
        build('nasvit', rank_draws=True, **options)


def test_adaptive_clipping():
    """Each unit's gradient is at most 0.1 of its weights' norm, of the whole step's gradient."""
    model, plain = build('elasticvit', agc=0.1), build('elasticvit')
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    for net in (model, plain):
        net.train_step(batch(), wrapper(net))
    clipped = 0
    for name, change, free in zip(before, moved(model, before), moved(plain, before)):
        dims = tuple(range(1, change.ndim)) if change.ndim > 1 else (0,)
        norm, weights = (x.square().sum(dims, keepdim=True).sqrt() for x in (free, before[name]))
        limit = 0.1 * weights.clamp(min=1e-3)
        expected = torch.where(norm > limit, free * (limit / norm.clamp(min=1e-6)), free)
        clipped += int((norm > limit).sum())
        torch.testing.assert_close(change, expected, rtol=1e-3, atol=1e-6, msg=name)
    assert clipped


@pytest.mark.filterwarnings('error:Converting a tensor with requires_grad')
def test_a_loss_that_is_no_number_stops_with_the_subnet_named(tmp_path):
    model = build('nasvit')
    model.dump_dir = tmp_path
    data = batch()
    data['inputs'][0] = float('nan')
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.set_arch('smallest')
    with pytest.raises(NonFiniteLoss, match=r"nan in step 1, of the largest subnet .*'depth'") as e:
        model.train_step(data, wrapper(model))
    assert all(not m.any() for m in moved(model, before))
    dump = torch.load(tmp_path / 'nonfinite_step1.pth', weights_only=True)
    assert str(tmp_path) in str(e.value) and dump['arch'] == model.sampler.space.largest.to_dict()
    assert set(dump) == {'state_dict', 'arch', 'phase', 'role', 'batch'}
    assert model.model.backbone.arch == model.sampler.space.smallest  # as before the step
    with pytest.raises(NonFiniteLoss, match='the score is nan'):
        model._scores([next(model.sampler.draw(1))], data)


@pytest.mark.parametrize('clip_grad', [None, 0.5])
@pytest.mark.parametrize(('role', 'others'), [(LARGEST, ()), (SMALLEST, (SAMPLED,))])
def test_a_gradient_that_is_no_number_stops_before_the_step(
    role, others, clip_grad, tmp_path, monkeypatch
):
    """With a finite loss; the weights, and those in the dump, are the ones before the step."""
    model = build('nasvit', clip_grad=clip_grad)
    model.dump_dir, loss_of = tmp_path, model.distill.loss

    def broken(of, *heard):
        loss = loss_of(of, *heard)
        if of == role:
            loss.register_hook(lambda g: g * float('inf'))
        return loss

    monkeypatch.setattr(model.distill, 'loss', broken)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    with pytest.raises(NonFiniteLoss, match=f'a gradient is .* in step 1, of .*the {role} ') as e:
        model.train_step(batch(), wrapper(model))
    dump = torch.load(tmp_path / 'nonfinite_step1.pth', weights_only=True)
    assert str(tmp_path) in str(e.value) and set(dump) == {'state_dict', 'subnets', 'batch'}
    assert [subnet['role'] for subnet in dump['subnets']] == [role, *others]
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]) and torch.equal(dump['state_dict'][name], p)


@pytest.mark.parametrize('rule', ['sum', 'project'])
def test_only_the_layer_scales_of_the_subnets_move(rule):
    """A vector for each (depth, row): those that no subnet of the step has stay as they are."""
    model = build('nasvit', conflict=dict(rule=rule), sampler=dict(type='sandwich', num_random=0))
    scales = [m.weight for m in model.modules() if isinstance(m, ElasticScale)]
    before = [w.detach().clone() for w in scales]
    model.train_step(batch(), wrapper(model))
    counts = [(w != old).any(-1).sum().item() for w, old in zip(scales, before)]
    assert max(counts) == 2 and min(counts) >= 1  # of the largest, and where it has it the smallest
    assert any(w.shape[0] * w.shape[1] > 2 for w in scales)


def test_a_loss_below_zero_is_explained_once(monkeypatch):
    model, said = build('nasvit'), []
    monkeypatch.setattr(
        'nasvit_mm.supernet.model.print_log', lambda text, **options: said.append(text)
    )
    largest, *_ = model.sampler.draw(1)
    for value in (1.0, -0.5, -0.5):
        model._logs([value], [largest])
    assert len(said) == 1 and 'loss_largest is below 0, as it may be' in said[0]


def test_hooks_of_mmdet_find_the_detector():
    """As ``YOLOXModeSwitchHook`` looks for it, near the end of a training."""
    supernet = build(NETWORKS[0])
    assert supernet.detector is supernet.model
