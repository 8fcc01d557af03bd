"""The tested versions: the pins of pyproject.toml's extras, read from the installed metadata."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement


def versions() -> dict[str, str]:
    """Return `{distribution: version}` for the Python that runs, all extras together.

    Empty where nasvit_mm is not installed but imported from its checkout.
    """
    try:
        package = metadata.metadata('nasvit_mm')
    except metadata.PackageNotFoundError:
        return {}
    extras = package.get_all('Provides-Extra') or []
    return {
        requirement.name: pin.version
        for requirement in map(Requirement, package.get_all('Requires-Dist') or [])
        for pin in requirement.specifier
        if pin.operator == '=='
        and any(requirement.marker.evaluate({'extra': extra}) for extra in extras)
    }


def pinned(*names: str) -> str:
    """Return the pins of `names` as pip's arguments, `'torch==2.11.0 torchvision==0.26.0'`.

    A name with no pin is returned bare.
    """
    known = versions()
    return ' '.join(f'{name}=={known[name]}' if name in known else name for name in names)
