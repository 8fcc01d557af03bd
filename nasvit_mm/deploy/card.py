"""The card of an artefact, as Markdown.  Needs neither torch nor OpenMMLab."""

from __future__ import annotations

from nasvit_mm.deploy.artefact import BOXES, DESCRIPTION, LABEL_MAP, MULTIPLE, Artefact
from nasvit_mm.deploy.runtimes import get_runtime

EXAMPLES = {  # by what is predicted, that which has more to say first
    'masks': (
        'boxes, scores, labels, masks = predictor(sys.argv[1])  # masks: (objects, height, width)',
        'for box, score, label, mask in zip(boxes, scores, labels, masks):',
        '    print(predictor.classes[label], score, box, mask.sum())',
    ),
    'boxes': (
        'boxes, scores, labels = predictor(sys.argv[1])  # boxes: x1, y1, x2, y2 in pixels',
        'for box, score, label in zip(boxes, scores, labels):',
        '    print(predictor.classes[label], score, box)',
    ),
    'logits': (
        "logits = predictor(sys.argv[1])  # (classes, height, width) at the input's size",
        'print(logits.shape, logits.argmax(0))',
    ),
    'label_map': (
        'labels = predictor(sys.argv[1])  # (height, width) of the image',
        'print(labels)',
    ),
    'scores': (
        'scores = predictor(sys.argv[1])  # (classes,)',
        'print(scores.argmax(), scores.max())',
    ),
}


def card_text(artefact: Artefact) -> str:
    """Write the card: what the artefact is, what was measured of it, how it is used."""
    size = (
        f'any multiples of {MULTIPLE} pixels'
        if artefact.dynamic
        else '{} x {} pixels'.format(*artefact.size)
    )
    needed = [get_runtime(artefact.runtime).distribution]
    if needed == ['torch'] and artefact.task == BOXES:
        needed.append('torchvision')  # which has non-maximum suppression
    files = ' with '.join(f'`{name}` (sha256 {digest})' for name, digest in artefact.files.items())
    remarks = [f'- {remark}' for remark in artefact.remarks]
    if remarks:
        remarks = ['## To know', '', *remarks, '']
    kinds = {LABEL_MAP: 'segmentor', BOXES: 'detector'}
    lines = [
        f'# A {kinds.get(artefact.task, "classifier")} for {artefact.runtime}, '
        f'{artefact.precision}',
        '',
        f'{files} takes {artefact.batch or "any"} '
        f'RGB image{"" if artefact.batch == 1 else "s"} of {size}, uint8, '
        'height x width x colour; normalisation is in it.',
        '',
        '| output | shape | type |',
        '|---|---|---|',
        *(
            f'| {name} | {" x ".join("N" if n is None else str(n) for n in about["shape"])} '
            f'| {about["dtype"]} |'
            for name, about in artefact.outputs.items()
        ),
        '',
        '## Use',
        '',
        '```python',
        'import sys',
        '',
        'from nasvit_mm import Predictor',
        '',
        "predictor = Predictor('.')  # this folder",
        *next((EXAMPLES[name] for name in EXAMPLES if name in artefact.outputs), ()),
        '```',
        '',
        f'It needs numpy, Pillow and {" and ".join(needed)}; this installs no more:',
        '',
        f'    pip install --no-deps nasvit_mm && pip install numpy pillow {" ".join(needed)}',
        '',
        *remarks,
        '## Measured of this very file',
        '',
        *(f'- {name}: {_shown(value)}' for name, value in artefact.measured.items()),
        '',
        '## Where it comes from',
        '',
        *(f'- {name}: {_shown(value)}' for name, value in artefact.origin.items()),
        f'- runtime: {artefact.runtime} {artefact.version}',
        '- the weights stay under the licence of those they were trained from',
        '',
        f'`{DESCRIPTION}` says the same for programs.',
        '',
    ]
    return '\n'.join(lines)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f'{value:.6g}'
    if isinstance(value, dict):
        return ', '.join(f'{k} {_shown(v)}' for k, v in value.items())
    if isinstance(value, list):
        return ', '.join(map(str, value))
    return str(value)
