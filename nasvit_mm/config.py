"""Reading configs as plain data: which of their modules are this project's, and what they need."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasvit_mm.errors import ArchitectureError, UsageError, first_line, shown_value
from nasvit_mm.registry import MODELS, registered

if TYPE_CHECKING:
    from mmengine.config import Config

SCOPE = 'nasvit_mm.'
NOT_FINITE = {'inf': math.inf, 'nan': math.nan}  # floats that Python writes by these names
# What a config of a stranger may build: classes of these scopes' registries. A type with more
# dots, or a lower case name after the dot, mmengine would import: any function of any module.
SCOPES = {'mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmpretrain', 'nasvit_mm'}
# Of an installation; in a checkout a link to configs/.
PACKAGED = Path(__file__).parent / '.mim' / 'configs'
REGISTERED = re.compile(r'(?:(\w+)\.(?=[A-Z]))?\w+')


def find_config(path: str | Path) -> Path:
    """Return the file of a config: as given, else the one of the package.

    Args:
        path: a file; or the name of one of this project's, from anywhere:
            ``configs/seg/nasvit_ade20k.py``, ``seg/nasvit_ade20k.py`` or
            ``nasvit_mm::seg/nasvit_ade20k.py``; ``supernet/nasvit_ade20k.py`` is
            ``supernet/nasvit_ade20k_supernet.py``.  Returned as it is where there is none.
    """
    given = Path(path)
    if given.exists():
        return given
    name = Path(str(path).removeprefix('nasvit_mm::'))
    inside = PACKAGED / (name.relative_to('configs') if name.parts[:1] == ('configs',) else name)
    # No two configs have one name, for mim: those of supernets and searches end in their folder's.
    ended = inside.with_stem(f'{inside.stem}_{inside.parent.name}')
    return next((file for file in (inside, ended) if file.is_file()), given)


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
    return registered(MODELS, type_name(node)) if is_own(node) else None


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
    there = {type_name(hook) for hook in hooks}
    missing = [name for name in getattr(kind, 'hooks', ()) if name.removeprefix(SCOPE) not in there]
    if missing:
        cfg.custom_hooks = [*(dict(type=name) for name in missing), *hooks]


def custom_imports(cfg: Mapping[str, Any]) -> list[str]:
    """Return the modules that a config's ``custom_imports`` names.

    Raises:
        UsageError: it is something else than ``dict(imports=[module, ...])``.
    """
    given = plain_types(cfg.get('custom_imports') or {})
    imports = given.get('imports') or [] if isinstance(given, dict) else None
    imports = [imports] if isinstance(imports, str) else imports
    if not isinstance(imports, list) or not all(isinstance(name, str) for name in imports):
        raise UsageError(
            f'custom_imports = {shown_value(given)}, expected dict(imports=[module, ...])'
        )
    return imports


def parsed_config(text: str) -> Config:
    """Return what :func:`parsed_values` reads as mmengine's config."""
    from mmengine.config import Config

    return Config(parsed_values(text))


def parsed_values(text: str) -> dict[str, Any]:
    """Read a config's dumped text (``Config.pretty_text``) as data: nothing in it is run, and what
    is built by it is of a registry.

    Args:
        text: assignments of literals, and ``dict(...)`` of them, as checkpoints carry it.

    Raises:
        UsageError: the text holds anything else, names the line; or a type or scope that would make
            mmengine import a module.
    """
    out = dict(_literal_assignment(node) for node in _statements(text))
    _check_types(out)
    return out


def readable_parts(text: str) -> tuple[dict[str, Any], list[str]]:
    """Read of a config's dumped text what is plain values, to compare it: nothing is run, and
    nothing may be built of it, since types are not checked.

    Returns:
        The values by top-level key, and why others cannot be read, a line each.

    Raises:
        UsageError: the text is no Python.
    """
    out, unread = {}, []
    for node in _statements(text):
        try:
            key, value = _literal_assignment(node)
        except UsageError as error:
            unread.append(str(error))
        else:
            out[key] = value
    return out, unread


def _statements(text: str) -> list[ast.stmt]:
    """Return the statements of a config's text, docstrings apart."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(f'the config text cannot be read: {first_line(error)}') from error
    return [
        node
        for node in body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def _literal_assignment(node: ast.stmt) -> tuple[str, Any]:
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    if not isinstance(target, ast.Name) or len(node.targets) > 1:
        raise UsageError(f'line {node.lineno} of the config text is no plain assignment')
    return target.id, _literal(node.value)


def parsed_value(text: str) -> Any:
    """Read a value of plain Python: literals, and ``dict(...)`` of them.

    Raises:
        UsageError: it is something else.
    """
    try:
        node = ast.parse(text.strip(), mode='eval').body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(f'{text!r} is no value: {first_line(error)}') from error
    return _literal(node)


def _check_types(cfg: Mapping[str, Any]) -> None:
    """Check that types and scopes name registries' classes: mmengine imports what others name."""
    for _, node in config_parts(cfg, ''):
        for key in ('default_scope', '_scope_'):
            if node.get(key) is not None and node[key] not in SCOPES:
                raise UsageError(
                    f'the config text has {key} = {node[key]!r}, allowed: '
                    f'{", ".join(sorted(SCOPES))}; give the config as a file'
                )
        kind = node.get('type')
        found = REGISTERED.fullmatch(kind) if isinstance(kind, str) else None
        if isinstance(kind, str) and (found is None or found[1] not in {None, *SCOPES}):
            raise UsageError(
                f'the config text has type = {kind!r}, expected the name of a class in a registry; '
                'give the config as a file'
            )


def _literal(node: ast.expr) -> Any:
    """Evaluate a literal, where dicts may be written as ``dict(...)``, and ``inf`` and ``nan`` are
    numbers, as they are dumped.
    """
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_literal(k): _literal(v) for k, v in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(map(_literal, node.elts))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        given = [_literal(arg) for arg in node.args]
        if (
            node.func.id == 'dict'
            and all(k.arg for k in node.keywords)
            and (not given or (len(given) == 1 and isinstance(given[0], dict)))
        ):
            return {
                **(given[0] if given else {}),
                **{k.arg: _literal(k.value) for k in node.keywords},
            }
    sign = -1 if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else 1
    name = node.operand if sign < 0 else node
    if isinstance(name, ast.Name) and name.id in NOT_FINITE:
        return sign * NOT_FINITE[name.id]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f'line {node.lineno} of the config text holds {ast.unparse(node)[:60]!r}, expected '
            'plain values'
        ) from error
