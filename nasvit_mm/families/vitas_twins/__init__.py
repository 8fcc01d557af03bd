"""Twins-like ViTAS (ECCV 2022): space, cost, network, official weights.  Loads none of them."""

from nasvit_mm.family import Family

FAMILY = Family(
    name='vitas_twins',
    spaces={'vitas_twins': f'{__name__}.space:ViTASTwinsSpace'},
    cost=f'{__name__}.cost:COST',
    backbone=f'{__name__}.network:TwinsViTAS',
    head=f'{__name__}.network:TwinsViTASHead',
    converter=f'{__name__}.checkpoint:CONVERTER',
)
