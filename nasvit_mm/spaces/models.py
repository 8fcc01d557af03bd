"""Models by their names: the supernets of all spaces and their named architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from nasvit_mm.errors import ArchitectureError, closest
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces.arch import Arch
from nasvit_mm.spaces.named import get_space, list_spaces
from nasvit_mm.spaces.space import Space

SUPERNET = 'supernet'
# What the papers' weights want of images, in timm's words: 256 pixels, centre crop 224.
EVALUATED = dict(
    input_size=(3, 224, 224),
    crop_pct=0.875,
    crop_mode='center',
    interpolation='bicubic',
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    num_classes=1000,
    fixed_input_size=False,
)
CONVERT = 'nasvit-mm convert {space} {file} {name}.pth'


def list_models(filter: str | Sequence[str] = '', pretrained: bool = False) -> list[str]:
    """Return the names that ``create_model`` takes: spaces, and named architectures.

    Args:
        filter: a pattern with wildcards, ``'*twins*'``, or several; '' is all.
        pretrained: only those of which weights exist.  :func:`weights_of` tells where: timm's load
            by themselves, the authors' have to be fetched first.
    """
    patterns = ([filter] if isinstance(filter, str) else list(filter)) or ['']
    names = []
    for space in list_spaces():
        names += [space, *get_space(space).named]
    return [
        name
        for name in names
        if any(pattern == '' or fnmatchcase(name, pattern) for pattern in patterns)
        and not (pretrained and weights_of(name) is None)
    ]


def find_model(name: str) -> tuple[Space, Arch | None]:
    """Return the space that a name of :func:`list_models` is of, and the architecture.

    The architecture is None if the name is a space's, whose supernet it then means.

    Raises:
        ArchitectureError: the name is unknown; the closest ones are named.
    """
    if name in FAMILIES:
        return get_space(name), None
    for space in map(get_space, list_spaces()):
        if name in space.named:
            return space, space.named[name]
    raise ArchitectureError(
        f'unknown model {name!r}{closest(name, list_models())}; nasvit_mm.list_models() has them'
    )


def weights_of(name: str) -> Mapping[str, str] | None:
    """Return where the weights of a model are, None if nobody has published them.

    An architecture without a file of its own is sliced out of its space's supernet.

    Returns:
        An entry of :attr:`Space.weights`, and ``command``, which turns the file into weights of
        this model.

    Raises:
        ArchitectureError: there is no such model.
    """
    space, arch = find_model(name)
    found = {entry['holds']: entry for entry in space.weights}
    entry = found.get(SUPERNET if arch is None else name, found.get(SUPERNET))
    if entry is None:
        return None
    file = f'timm://{entry["timm"]}' if 'timm' in entry else entry['file']
    command = CONVERT.format(space=space.name, file=file, name=name)
    return dict(entry, command=command if arch is None else f'{command} --arch {name}')


def how_to_get(name: str) -> str:
    """Return a sentence on the weights of a model that have to be fetched by hand."""
    entry = weights_of(name)
    if entry is None:
        return f'nobody has published weights of {name}; see nasvit_mm.list_models(pretrained=True)'
    return (
        f"{name}'s weights have to be fetched: {entry['file']} from {entry['link']} "
        f'({entry["where"]}; licence: {entry["licence"]}); then give that file instead of the name'
    )
