"""DeiT-like ViTAS (ECCV 2022): space, cost, network, official weights.  Loads none of them."""

from nasvit_mm.family import Family

FAMILY = Family(
    name='vitas',
    spaces={
        'vitas_deit_small': f'{__name__}.space:ViTASDeiTSmall',
        'vitas_deit_block': f'{__name__}.space:ViTASDeiTBlock',
        'vitas_deit_base': f'{__name__}.space:ViTASDeiTBase',
    },
    cost=f'{__name__}.cost:COST',
    backbone=f'{__name__}.network:ViTAS',
    head=f'{__name__}.network:ViTASHead',
    converter=f'{__name__}.checkpoint:CONVERTER',
)
