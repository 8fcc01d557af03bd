"""ElasticViT (ICCV 2023): its space, cost, network and official weights.  Loads none of them."""

from nasvit_mm.family import Family

FAMILY = Family(
    name='elasticvit',
    spaces={'elasticvit': f'{__name__}.space:ElasticViTSpace'},
    cost=f'{__name__}.cost:COST',
    backbone=f'{__name__}.network:ElasticViT',
    head=f'{__name__}.network:ElasticViTHead',
    converter=f'{__name__}.checkpoint:CONVERTER',
)
