"""PyTorch's files of programs (``.pt2``), read as data.

``torch.export.load`` unpickles objects, loads libraries, evaluates expressions and calls whatever
function of torch's modules a file names.  What :func:`nasvit_mm.deploy.formats.write_torch` writes
needs none of it: tensors as bytes, and a graph of ATen's operators as JSON.  So a file is read
here, and what it holds beyond that is refused; PyTorch is given a copy of what was looked at.
"""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nasvit_mm.errors import shown_value

MODEL, INPUTS = 'models/model.json', 'data/sample_inputs/model.pt'
PAYLOADS = ('data/weights/model_weights_config.json', 'data/constants/model_constants_config.json')
PARTS = re.compile(
    rf'{re.escape(MODEL)}|{re.escape(INPUTS)}|{"|".join(map(re.escape, PAYLOADS))}|'
    r'data/weights/weight_\d+|data/constants/tensor_\d+|'
    r'archive_format|archive_version|byteorder|\.data/(?:version|serialization_id)'
)
OPERATORS = re.compile(
    r'torch\.ops\.(?:aten|torchvision)\.(?!from_file\b)(?:(?!__)\w+|__(?:and|or|xor)__)\.(?!_)\w+|'
    r'torch\.sym_[a-z]+|math\.[a-z]+|'
    r'_operator\.(?:getitem|add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_)'
)
NAME = re.compile(r'[\w.+ -]*')
# Of sizes, as sympy writes them: Mul(Integer(2), Symbol('s77', positive=True, integer=True)).
EXPRESSION = re.compile(
    r"(?:Symbol\('[suz]\w*\d'(?:, \w+=True)*\)|Integer\(-?\d{1,18}\)|\)|, |"
    r'(?:Mul|Add|Max|Min|Mod|PythonMod|ModularIndexing|FloorDiv|CleanDiv|CeilDiv|And|Or|Not|'
    r'Equality|Unequality|GreaterThan|StrictGreaterThan|LessThan|StrictLessThan)\()*'
)
PATTERNS = dict(target=OPERATORS, expr_str=EXPRESSION, as_string=re.compile('(?s:.*)'))
CODE = ('as_graph', 'as_custom_obj', 'as_operator')
SPECS = ('in_spec', 'out_spec')  # how inputs and outputs are nested, as JSON in a text
NESTED = (None, 'builtins.tuple', 'builtins.list', 'builtins.dict')


def load_program(path: Path) -> Any:
    """Return the module of a program, without running any code of its file.

    Raises:
        ValueError: it holds anything else than tensors and a graph of ATen's operators.
    """
    import torch

    with suppress(ImportError):
        import torchvision  # noqa: F401 (registers the operators of detectors)
    copy, log = _copied(path), logging.getLogger('torch.export')
    level = log.level
    log.setLevel(logging.ERROR)  # it warns by tracebacks
    try:
        return torch.export.load(copy).module()
    finally:
        log.setLevel(level)


def _copied(path: Path) -> io.BytesIO:
    """Return a file of a program without what would run code.

    Raises:
        ValueError: it holds anything else than tensors and a graph of ATen's operators.
    """
    with zipfile.ZipFile(path) as file:
        parts = {}
        for entry in file.infolist():
            name = entry.filename.partition('/')[2]
            if not PARTS.fullmatch(name) or name in parts:
                raise ValueError(f'it holds {shown_value(entry.filename)}, which no program needs')
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f'{shown_value(entry.filename)} is compressed')
            parts[name] = file.read(entry)
    for name in PAYLOADS:
        for path_name, about in _payloads(json.loads(parts[name])):
            if about['use_pickle'] is not False or not re.fullmatch(r'\w+', path_name):
                raise ValueError(f'{name} has an object that is no tensor of plain numbers')
    content = json.loads(parts[MODEL])
    content['guards_code'] = []
    for node in content['graph_module']['graph']['nodes']:
        node['metadata'] = {}  # where in the source it was written
    _check(content, '')
    parts |= {MODEL: json.dumps(content).encode(), INPUTS: b''}
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, 'w') as file:
        for name, data in parts.items():
            file.writestr(f'model/{name}', data)
    copy.seek(0)
    return copy


def _payloads(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for about in content['config'].values():
        yield about['path_name'], about


def _check(node: Any, key: str) -> None:
    """Check all texts of a graph, which PyTorch evaluates or makes Python of.

    Raises:
        ValueError: names the one that is no plain name, operator or expression of sizes.
    """
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in CODE or not NAME.fullmatch(name):
                raise ValueError(f'its graph has {shown_value(name)}')
            _check(value, name)
    elif isinstance(node, list):
        for value in node:
            _check(value, key)
    elif isinstance(node, str):
        if key in SPECS:
            _check_nesting(json.loads(node))
            return
        allowed = PATTERNS.get(key, NAME)
        if not allowed.fullmatch(node):
            raise ValueError(f'its graph has {key} = {shown_value(node)}')


def _check_nesting(node: Any) -> None:
    for part in node if isinstance(node, list) else [node]:
        if isinstance(part, Mapping):
            if part['type'] not in NESTED:
                raise ValueError(f'its inputs or outputs are of the type {part["type"]}')
            _check_nesting(part['children_spec'])
