"""A space whose outputs are multiples of one gene, searched under the cost of a dense model."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from torch import nn

from nasvit_mm import get_space
from nasvit_mm.backbones import ElasticBackbone, register_backbone
from nasvit_mm.cost import FamilyCost
from nasvit_mm.cost.primitives import conv, norm
from nasvit_mm.dense import SearchedModel, build_model, count_model
from nasvit_mm.errors import UsageError
from nasvit_mm.family import FAMILIES, Family
from nasvit_mm.nn import ElasticConv2d, Span
from nasvit_mm.registry import MODELS
from nasvit_mm.search import Problem
from nasvit_mm.spaces import DEPTH, RESOLUTION, WIDTH, Field, Space
from tests.zoo import ALL, ZOO, Entry, zoo_model

SIZE = (64, 96)
STAGES = ('one', 'two', 'three', 'four')


class PyramidSpace(Space):
    """As Swin: stage i has ``embed_dim`` x 2^i channels."""

    name = 'pyramid'
    min_size = 32
    zoo = {}
    table = (
        Field('resolution', (), ((64,),), RESOLUTION),
        Field('embed_dim', (), ((4, 6, 8, 12, 16),), WIDTH),
        Field('depth', STAGES, ((1, 2), (1, 2), (1, 2, 3, 4), (1, 2)), DEPTH),
    )


def tally(fields, height, width, *, out_indices, attention, num_classes, out_width):
    parts, cin = {}, 3
    for i, stage in enumerate(STAGES[: out_indices[-1] + 1]):
        cout = fields['embed_dim'] * 2**i
        pixels = -(-height // 2 ** (i + 2)) * -(-width // 2 ** (i + 2))
        kernel = 3 if i else 7
        block = conv(cout, cout, pixels, 3) + norm(cout)
        parts[stage] = (
            conv(cin, cout, pixels, kernel) + norm(cout) + block * (fields['depth'][:, i] - 1)
        )
        cin = cout
    return parts


def output_widths(fields, out_indices):
    return np.stack([fields['embed_dim'] * 2**i for i in out_indices], 1)


class Block(nn.Module):
    def __init__(self, cin, cout, kernel, stride, make_norm):
        super().__init__()
        self.conv, self.norm = ElasticConv2d(cin, cout, kernel, stride), make_norm(cout)

    def forward(self, x, cin, cout):
        return F.relu(self.norm(self.conv(x, cin, cout), cout))


class Pyramid(ElasticBackbone):
    spaces, strides, stage_names = ('pyramid',), (4, 8, 16, 32), STAGES
    min_size, max_resolution = 32, 64

    def build(self):
        spans, cin = self.plan_of(self.space.largest), 3
        self.stages = nn.ModuleList()
        for i, (span, depth) in enumerate(spans):
            sizes = [(cin, 3 if i else 7, 2 if i else 4)] + [(span.size, 3, 1)] * (depth - 1)
            self.stages.append(
                nn.ModuleList(Block(c, span.size, k, s, self.make_norm) for c, k, s in sizes)
            )
            cin = span.size

    def plan_of(self, arch):
        top = self.space.largest.embed_dim
        return [
            (Span.prefix(arch.embed_dim * 2**i, top * 2**i), arch.depth[i])
            for i in range(self.out_indices[-1] + 1)
        ]

    def output_spans(self, plan):
        return [plan[i][0] for i in self.out_indices]

    def stem_and_stages(self):
        return list(self.stages)

    def blocks_of(self, arch):
        return []

    def forward(self, x):
        x, cin, maps = self.checked(x), Span.whole(3), []
        for i, (blocks, (cout, depth)) in enumerate(zip(self.stages, self.plan)):
            for block in blocks[:depth]:
                x, cin = self.run_block(block, x, cin, cout), cout
            if i in self.out_indices:
                maps.append(x)
        return self.end_outputs(maps)


@pytest.fixture
def pyramid() -> Iterator[Space]:
    cost = FamilyCost(tally, output_widths, num_outputs=4, min_size=32)
    FAMILIES.add(Family('pyramid', {'pyramid': PyramidSpace}, cost, Pyramid, nn.Identity))
    register_backbone(Pyramid)
    yield PyramidSpace()
    del FAMILIES._found['pyramid'], MODELS.module_dict['Pyramid']
    ROOT_MODELS.module_dict.pop('Pyramid', None)


def model() -> Config:
    """A segmentor whose head takes all four outputs."""
    head = dict(
        type='SegformerHead',
        in_channels=[0] * 4,
        in_index=[0, 1, 2, 3],
        channels=16,
        num_classes=5,
        norm_cfg=dict(type='BN'),
    )
    backbone = dict(type='nasvit_mm.Pyramid', arch='smallest')
    return Config(
        dict(
            default_scope='mmseg',
            model=dict(type='EncoderDecoder', backbone=backbone, decode_head=head),
        )
    )


def test_one_gene_many_widths(pyramid: Space) -> None:
    of = SearchedModel(model(), pyramid)
    genes = pyramid.uniform_genes(0, 3)
    genes[:, pyramid.first_gene('embed_dim')] = (0, 1, 4)
    total, head = of.total(genes, SIZE), of.head(genes, SIZE)
    assert of.channels(genes).tolist() == [[w, 2 * w, 4 * w, 8 * w] for w in (4, 6, 16)]
    for i, arch in enumerate(pyramid.from_genes(genes)):
        built = count_model(build_model(of.config(arch)), SIZE)
        assert (total.macs[i], total.params[i]) == (built.total_macs, built.total_params)
        assert head.macs[i] == built.macs['head']

    macs = of.total(pyramid.uniform_genes(1, 200), SIZE).macs
    low, high = np.percentile(macs, (20, 40))
    within = Problem(pyramid, ['macs'], [dict(metric='macs', low=low, high=high)], of, SIZE)
    found = of.total(within.sample(np.random.default_rng(0), 50), SIZE).macs
    assert len(found) == 50 and ((low <= found) & (found <= high)).all()
    assert len(set(found)) > 5


def of_the_zoo(entry: Entry, space: str) -> SearchedModel:
    """A model of a zoo whose heads follow the widths of the candidates."""
    cfg = Config(dict(default_scope=entry.package, model=zoo_model(entry, space, SIZE)))
    cfg.model.backbone.pop('out_width')
    cfg.model.backbone.pop('space')
    cfg.model.backbone.arch = 'supernet'
    return SearchedModel(cfg, get_space(space))


@pytest.mark.parametrize(
    ('entry', 'space'),
    [
        (Entry('mmseg', 'hrnet/fcn_hr18_4xb2-160k_cityscapes-512x1024.py', ALL), 'elasticvit'),
        (ZOO['mask_rcnn'], 'nasvit'),
    ],
    ids=['resize_concat', 'mask_rcnn'],
)
def test_costs_of_heads_that_follow_the_widths(entry: Entry, space: str) -> None:
    of = of_the_zoo(entry, space)
    genes = of.space.uniform_genes(3, 2)
    total = of.total(genes, (128, 160))
    for i, arch in enumerate(of.space.from_genes(genes)):
        built = count_model(build_model(of.config(arch)), (128, 160))
        assert (total.macs[i], total.params[i]) == (built.total_macs, built.total_params)


def test_the_figures_of_what_is_not_linear_differ() -> None:
    """Those of parameters, where the MACs of a head agree."""
    of = of_the_zoo(ZOO['rtmdet'], 'nasvit')
    with pytest.raises(UsageError, match='not linear') as caught:
        of.total(of.space.uniform_genes(3, 2), (128, 160))
    real, what, formula = re.search(r'] (\d+) (\w+), (\d+) by', str(caught.value)).groups()
    assert real != formula and what in ('MACs', 'parameters')


def test_a_head_that_is_quadratic_in_a_width() -> None:
    of = of_the_zoo(Entry('mmseg', 'ann/ann_r50-d8_4xb2-40k_cityscapes-512x1024.py'), 'nasvit')
    with pytest.raises(UsageError, match=r'not linear in the widths .* out_width'):
        of.head(of.space.uniform_genes(0, 1), (128, 160))
