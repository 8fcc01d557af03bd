"""What can be searched: tables of choices, genes <-> architecture, sampling, named architectures.

numpy only: nothing here imports torch.
"""

from __future__ import annotations

from nasvit_mm.spaces.arch import Arch, load_arch_file
from nasvit_mm.spaces.elasticvit import ElasticViTSpace
from nasvit_mm.spaces.nasvit import NASViTSpace
from nasvit_mm.spaces.slots import SlotSpace
from nasvit_mm.spaces.space import Field, Space, closest, is_many
from nasvit_mm.spaces.vitas import ViTASDeiTBase, ViTASDeiTBlock, ViTASDeiTSmall, ViTASSpace
from nasvit_mm.spaces.vitas_twins import ViTASTwinsSpace

__all__ = [
    'SPACES',
    'Arch',
    'ElasticViTSpace',
    'Field',
    'NASViTSpace',
    'SlotSpace',
    'Space',
    'ViTASSpace',
    'ViTASTwinsSpace',
    'get_space',
    'is_many',
    'list_spaces',
    'load_arch_file',
]

SPACES = {
    space.name: space
    for space in (
        NASViTSpace,
        ElasticViTSpace,
        ViTASDeiTSmall,
        ViTASDeiTBlock,
        ViTASDeiTBase,
        ViTASTwinsSpace,
    )
}


def list_spaces() -> list[str]:
    """Names that :func:`get_space` takes."""
    return sorted(SPACES)


def get_space(space: str | dict | Space) -> Space:
    """The search space of a name, of ``Space.to_dict()``, or of a space itself.

    Args:
        space: a name out of :func:`list_spaces`; or ``dict(space=name, restrict={...})``, the form
            that :meth:`Space.to_dict` writes and that configs and checkpoints carry.

    Raises:
        KeyError: unknown name; the message lists the closest and all names.
    """
    if isinstance(space, Space):
        return space
    restriction = {}
    if isinstance(space, dict):
        unknown = set(space) - {'space', 'restrict'}
        if unknown or 'space' not in space:
            raise KeyError(
                f"a space mapping has the keys 'space' and optionally 'restrict', "
                f'got {sorted(space)}'
            )
        space, restriction = space['space'], space.get('restrict') or {}
    if space not in SPACES:
        raise KeyError(
            f'unknown space {space!r}{closest(space, SPACES)}; '
            f'known spaces: {", ".join(list_spaces())}'
        )
    found = SPACES[space]()
    return found.restrict(**restriction) if restriction else found
