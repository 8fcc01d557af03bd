"""Write what other tools read of the configs: metafiles, model-index.yml, and the page zoo.md.

    python docs/write_zoo.py

What is said of a config is what its own docstring says, which tests check; what is said of an
architecture is its entry in a family's zoo.json.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import yaml

import nasvit_mm

ROOT = Path(__file__).resolve().parents[1]
HEAD = '# Written by docs/write_zoo.py\n'
TASKS = {
    'seg': 'Semantic Segmentation',
    'det': 'Object Detection',
    'cls': 'Image Classification',
    'supernet': 'Supernet Training',
    'search': 'Architecture Search',
    'demo': 'Demo',
}
COLLECTIONS = {  # name -> paper
    'NASViT': (
        'NASViT: Neural Architecture Search for Efficient Vision Transformers with Gradient '
        'Conflict aware Supernet Training',
        'https://openreview.net/forum?id=Qaw16njk6L',
    ),
    'ElasticViT': (
        'ElasticViT: Conflict-aware Supernet Training for Deploying Fast Vision Transformer on '
        'Diverse Mobile Devices',
        'https://arxiv.org/abs/2303.09730',
    ),
    'ViTAS': ('ViTAS: Vision Transformer Architecture Search', 'https://arxiv.org/abs/2106.13700'),
}
FAMILIES = {'elastic': 'ElasticViT', 'vitas': 'ViTAS', 'twins': 'ViTAS', 'nasvit': 'NASViT'}
DATA = {
    'ade20k': 'ADE20K',
    'cityscapes': 'Cityscapes',
    'camvid': 'CamVid',
    'coco': 'COCO',
    'bccd': 'BCCD',
    'in1k': 'ImageNet-1k',
    'cifar10': 'CIFAR-10',
    'tiny-imagenet20': 'Tiny ImageNet, 20 classes',
    'rtmdet_5g': 'COCO',
}
MACS = re.compile(
    r'MACs at (\d+) x (\d+):.*?total ([\d.]+) G(?:[;.,]\s*([\d.]+) M parameters)?', re.S
)


def configs(folder: str) -> list[Path]:
    """Return the configs of a folder that users run, in order."""
    return sorted((ROOT / 'configs' / folder).glob('[a-z]*.py'))


def said_of(path: Path) -> dict[str, Any]:
    """Return a config's entry in the metafile of its folder."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
    folder, stem = path.parent.name, path.stem
    first = text.partition('\n\n')[0].replace('\n', ' ')
    meta: dict[str, Any] = dict(Summary=first)
    if data := next((name for key, name in DATA.items() if key in stem), None):
        meta['Training Data'] = data
    if found := MACS.search(text):
        height, width, macs, params = found.groups()
        meta |= {'MACs (G)': float(macs), 'Input Size': [int(height), int(width)]}
        if params:
            meta['Parameters (M)'] = float(params)
    family = next(name for key, name in FAMILIES.items() if key in stem)
    return {
        'Name': stem,
        'In Collection': family,
        'Config': str(path.relative_to(ROOT)),
        'Metadata': meta,
        'Results': [{'Task': TASKS[folder], 'Dataset': data}] if data else [],
    }


def dumped(content: dict[str, Any]) -> str:
    return HEAD + yaml.safe_dump(content, sort_keys=False, width=100, allow_unicode=True)


def metafile(folder: str) -> str:
    """Return the text of a folder's metafile."""
    models = [said_of(path) for path in configs(folder)]
    used = {model['In Collection'] for model in models}
    collections = [
        {'Name': name, 'License': 'Apache-2.0', 'Paper': {'Title': title, 'URL': url}}
        for name, (title, url) in COLLECTIONS.items()
        if name in used
    ]
    return dumped({'Collections': collections, 'Models': models})


def index() -> str:
    """Return the text of model-index.yml, from which mim and mmengine begin."""
    return dumped({'Import': [f'configs/{folder}/metafile.yml' for folder in TASKS]})


def short_names(folder: str) -> dict[str, str]:
    """Return the short name of a config, by the stem of the one that it stands for."""
    found = {}
    for path in configs(folder):
        text = path.read_text(encoding='utf-8')
        if 'the short name of the config below' in ' '.join(text.split()):
            found[re.search(r"_base_ = '\./(.+)\.py'", text)[1]] = path.stem
    return found


def page() -> str:
    """Return the text of zoo.md."""
    lines = [
        '# Model zoo',
        '',
        'Written by `docs/write_zoo.py`. No weights are shipped: see [backbones]'
        "(guides/backbones.md#the-authors-checkpoints) for the authors'. MACs are of the whole "
        'model. Where a config has a short name, it stands first.',
    ]
    for folder, task in TASKS.items():
        lines += ['', f'## {task}', '', '| config | | data | MACs |', '|---|---|---|---|']
        short = short_names(folder)
        for path in configs(folder):
            if path.stem in short.values():
                continue
            meta = said_of(path)['Metadata']
            size = ' x '.join(map(str, meta.get('Input Size', ())))
            macs = f'{meta["MACs (G)"]:.2f} G at {size}' if size else ''
            names = [path.stem, *([short[path.stem]] if path.stem in short else [])]
            name = '<br>'.join(f'`{folder}/{n}.py`' for n in reversed(names))
            summary = meta['Summary'].replace('|', '\\|')
            lines.append(f'| {name} | {summary} | {meta.get("Training Data", "")} | {macs} |')
    lines += ['', '## Architectures', '', '| name | space | MACs | parameters | source |']
    lines += ['|---|---|---|---|---|']
    for space in nasvit_mm.list_spaces():
        for name, entry in nasvit_mm.get_space(space).zoo.items():
            measured = entry['measured']
            size = ' x '.join(map(str, measured['input_size']))
            lines.append(
                f'| `{name}` | `{space}` | {measured["macs"] / 1e9:.2f} G at {size} | '
                f'{measured["params"] / 1e6:.2f} M | {entry["source"]} |'
            )
    return '\n'.join(lines) + '\n'


def written() -> dict[Path, str]:
    """Return every file that this script writes, with its text."""
    files = {ROOT / f'configs/{folder}/metafile.yml': metafile(folder) for folder in TASKS}
    return files | {ROOT / 'model-index.yml': index(), ROOT / 'docs/zoo.md': page()}


if __name__ == '__main__':
    for path, text in written().items():
        path.write_text(text, encoding='utf-8')
        print(path.relative_to(ROOT))
