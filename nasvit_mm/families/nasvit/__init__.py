"""NASViT (ICLR 2022): its space, cost, network and official weights.  Loads none of them."""

from nasvit_mm.family import Family

FAMILY = Family(
    name='nasvit',
    spaces={'nasvit': f'{__name__}.space:NASViTSpace'},
    cost=f'{__name__}.cost:COST',
    backbone=f'{__name__}.network:NASViT',
    head=f'{__name__}.network:NASViTHead',
    converter=f'{__name__}.checkpoint:CONVERTER',
)
