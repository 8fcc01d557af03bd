"""What makes a search the same one, though its files lie elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

# Of an identity: under it stands what the evaluators' metrics depend on, the content of files.
CONTENT_KEY = 'supernet'
KNOWN_KEY = 'known'  # digest of what a predictor learned of an earlier search
# Options of an evaluator that name files -> under what its content tells of them.
PATHS = {'config': 'model', 'checkpoint': 'checkpoint'}
DATA = 'data'  # of a content: data loader -> digest of its files
MOVED = '<data>'  # stands for the root of data whose digest is known


def by_content(*identities: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return identities without the paths of files whose content all of them know: a search whose
    project or data were moved is the same one.

    Config and checkpoint of an evaluator are compared by what they hold.  Data are compared by the
    digests of :func:`~nasvit_mm.search.evaluators.data_files.data_digest`, and by all that the
    config says of them but their root.  An archive that has no such digests, of an earlier version,
    is compared by its paths.
    """
    out = [dict(each) for each in identities]
    lists = [[_as_list(each.get(key)) for key in ('evaluator', CONTENT_KEY)] for each in out]
    for place in range(min((len(part) for pair in lists for part in pair), default=0)):
        contents = [contents[place] for _, contents in lists]
        known = all(content and 'missing' not in content for content in contents)
        keys = [set(content.get(DATA, ())) if known else set() for content in contents]
        for said, content in lists:
            if known and isinstance(said[place], Mapping):
                dropped = [key for key, told in PATHS.items() if told in content[place]]
                said[place] = {k: v for k, v in said[place].items() if k not in dropped}
            if known:
                there = content[place]
                roots = _roots(there) if keys[0] and len(set(map(frozenset, keys))) == 1 else []
                if not roots:
                    content[place] = {k: v for k, v in there.items() if k != DATA}
                else:
                    said[place] = _rerooted(said[place], roots)
                    content[place] = _rerooted(there, roots)
    for each, parts in zip(out, lists):
        for key, part in zip(('evaluator', CONTENT_KEY), parts):
            if each.get(key) is not None:
                each[key] = part if isinstance(each[key], list) else part[0]
    return out


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _roots(content: Mapping[str, Any]) -> list[str]:
    """Return the absolute folders that data lie in, by the loaders whose data are known."""
    found = set()
    waiting = [content.get(key) for key in content[DATA]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        if isinstance(node, Mapping):
            waiting += node.values()
            prefixes = node.get('data_prefix')
            named = [node.get('data_root')]
            named += prefixes.values() if isinstance(prefixes, Mapping) else []
            lists = node.get('ann_file')
            named += [os.path.dirname(lists)] if isinstance(lists, str) else []
            found |= {n.rstrip('/') for n in named if isinstance(n, str) and os.path.isabs(n)}
    return sorted(found, key=len)  # what lies in another one goes by that


def _rerooted(value: Any, roots: list[str]) -> Any:
    """Return a value with the roots of data in its texts replaced."""
    if isinstance(value, Mapping):
        return {key: _rerooted(each, roots) for key, each in value.items()}
    if isinstance(value, list):
        return [_rerooted(each, roots) for each in value]
    if isinstance(value, str):
        for root in roots:
            if value == root or value.startswith(f'{root}/'):
                return MOVED + value[len(root) :].rstrip('/')
    return value


def first_difference(key: str, there: Any, now: Any) -> tuple[str, Any, Any]:
    """Return dotted key and values where two identities differ first."""
    while isinstance(there, dict) and isinstance(now, dict):
        part = next(
            k
            for k in sorted({*there, *now})
            if k not in there or k not in now or there[k] != now[k]
        )
        key, there, now = f'{key}.{part}', there.get(part), now.get(part)
    return key, there, now
