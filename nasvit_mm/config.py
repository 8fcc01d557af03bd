"""Reading configs as plain data: which of their modules are this project's, and what they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from nasvit_mm.errors import ArchitectureError, UsageError
from nasvit_mm.registry import MODELS

SCOPE = 'nasvit_mm.'


def plain_types(x: Any) -> Any:
    """Convert mmengine's ConfigDict and lists to dict and list; keep other values as they are."""
    if isinstance(x, Mapping):
        return {k: plain_types(v) for k, v in x.items()}
    if isinstance(x, Sequence) and not isinstance(x, str):
        return [plain_types(v) for v in x]
    return x


def config_parts(node: Any, where: str) -> Iterator[tuple[str, Mapping]]:
    """Yield every mapping in a config with its dotted key, outer mappings first."""
    if isinstance(node, Mapping):
        yield where, node
        for key, value in node.items():
            yield from config_parts(value, f'{where}.{key}')
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from config_parts(value, f'{where}.{i}')


def type_name(node: Any) -> str:
    """Return the ``type`` of a config part without this project's scope; '' if it has none."""
    return str(node.get('type', '') if isinstance(node, Mapping) else '').removeprefix(SCOPE)


def is_own(node: Mapping) -> bool:
    """Return whether a config part describes a module of this project."""
    return str(node.get('type', '')).startswith(SCOPE)


def own_kind(node: Mapping) -> type | None:
    """Return the class of the module that a config part describes; None if it is not ours."""
    return MODELS.get(type_name(node)) if is_own(node) else None


def check_architectures(cfg: Config) -> None:
    """Check the architectures that a config gives to this project's backbones.

    Raises:
        UsageError: names the key and what is wrong with its value.
    """
    for where, node in config_parts(cfg.get('model'), 'model'):
        kind = own_kind(node)
        if not hasattr(kind, 'read_space'):
            continue
        try:
            kind.read_space(node.get('arch'), node.get('space'))
        except ArchitectureError as error:
            raise UsageError(f'{where}.arch: {error}') from error


def add_own_hooks(cfg: Config) -> None:
    """Add the hooks that the config's model requires and ``custom_hooks`` lacks."""
    kind, hooks = own_kind(cfg.get('model') or {}), list(cfg.get('custom_hooks') or [])
    missing = [
        name for name in getattr(kind, 'hooks', ()) if name not in {hook['type'] for hook in hooks}
    ]
    if missing:
        cfg.custom_hooks = [*(dict(type=name) for name in missing), *hooks]
