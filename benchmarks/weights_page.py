"""Write docs/weights.md out of the zoo and the families' weights.json.

python benchmarks/weights_page.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from nasvit_mm import get_space, list_models, list_spaces
from nasvit_mm.spaces import SUPERNET, find_model, weights_of

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'weights.md'
HEAD = """# Where weights come from

Made of the data by `python benchmarks/weights_page.py`. nasvit_mm ships no weights. timm's are
downloaded by timm's own code, into the cache of the Hugging Face hub; the authors' you fetch
yourself, from the link and under the licence below, and give the file as it is:

    python tools/train.py configs/seg/vitas_ade20k.py --pretrained twins_svt_small
    python tools/train.py configs/seg/nasvit_ade20k.py --pretrained ckpt_360.pth

`--pretrained` takes, for every config whose backbone is one of this project's,

- a name below whose weights timm has, or `timm://NAME.TAG`;
- a checkpoint of exactly this network: of training, of an export (its folder too), of `nasvit-mm
  convert`;
- a supernet of its space, ours or the authors', out of which the network is sliced. Batch norm
  statistics of a supernet fit no subnet; training replaces them;
- for a supernet's config, a network of its space, which is laid into it
  ([a network becomes a supernet](guides/make_supernet.md)).

Anything else is refused with what the file holds and what was expected: a network that differs in
depth alone, too, or one that the file calls another. Stages beyond the last output of the backbone
may be in the file. Loaded, with a warning, are a network of another resolution, and one that saw
images otherwise than the model will, as far as its file tells: at another `input_scale`, by another
`attention`, or normalised by another `mean`, `std` or order of channels. In a config the same
stands as `init_cfg=dict(type='Pretrained', checkpoint=...)` of the backbone, and from Python

<!-- not run: downloads -->

```python
import nasvit_mm

nasvit_mm.list_models('twins*', pretrained=True)
nasvit_mm.create_model('twins_svt_small', pretrained=True)
nasvit_mm.create_model('nasvit_min', pretrained='ckpt_360.pth')
```

Without a network connection, fetch `model.safetensors` from the link elsewhere, and give that file.
The commands below write the weights of one model to a file of its own, which is not needed for
training. MACs are counted at the architecture's own resolution. "Published" is what the source
says of these weights, in percent on ImageNet; nothing of it was measured here.
"""
TAIL = """
## Not there

Twins-PCPVT is no member of `vitas_twins`: it has global attention in every block, and three blocks
in its first stage, where the space alternates local and global attention and has two slots. The
searched Twins networks of the ViTAS paper, and NASViT's A0 to A5, are not public; `twins_tiny`,
`twins_mini` and `nasvit_like_*` are stand-ins of this project. There is no public supernet of
ViTAS, and there are no public weights of the three papers' dense models.
"""


def page() -> str:
    """Return the text of the page."""
    return HEAD + ''.join(map(_space, list_spaces())) + TAIL


def _space(name: str) -> str:
    space = get_space(name)
    lines = [f'\n## {name}\n']
    for entry in space.weights:
        file = f'`timm://{entry["timm"]}`' if 'timm' in entry else f'`{entry["file"]}`'
        holds = 'the supernet' if entry['holds'] == SUPERNET else f'`{entry["holds"]}`'
        lines.append(
            f'- {holds}: {file}, <{entry["link"]}> ({entry["where"]}). Licence: {entry["licence"]}.'
            + (f' Published: {entry["published"]}.' if 'published' in entry else '')
        )
    lines += ['', '| model | MACs | published | command |', '|---|---|---|---|']
    lines += _rows([n for n in list_models(pretrained=True) if n == name or n in space.named])
    return '\n'.join(lines) + '\n'


def _rows(names: list[str]) -> Iterator[str]:
    for name in names:
        space, arch = find_model(name)
        zoo = {} if arch is None else space.zoo[name]
        macs = f'{zoo["measured"]["macs"] / 1e6:,.0f} M' if arch else 'supernet'
        yield f'| `{name}` | {macs} | {_published(zoo)} | `{weights_of(name)["command"]}` |'


def _published(zoo: Mapping) -> str:
    """Return the accuracies that the source states, without its MACs."""
    found = zoo.get('published', {})
    said = [f'{v} {k.replace("top", "top-")}' for k, v in found.items() if k.startswith('top')]
    return ', '.join(said) or '-'


if __name__ == '__main__':
    PAGE.write_text(page(), encoding='utf-8')
