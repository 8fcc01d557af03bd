"""The card of an artefact, as Markdown.  Standard library only."""

from __future__ import annotations

from nasvit_mm.deploy.artefact import BOXES, DESCRIPTION, LABEL_MAP, MULTIPLE, Artefact

EXAMPLES = {
    LABEL_MAP: ['labels = predictor(sys.argv[1])  # (height, width) of the image', 'print(labels)'],
    BOXES: [
        'boxes, scores, labels = predictor(sys.argv[1])  # boxes: x1, y1, x2, y2 in pixels',
        'for box, score, label in zip(boxes, scores, labels):',
        '    print(predictor.classes[label], score, box)',
    ],
}
CLASSIFIER = [
    'scores = predictor(sys.argv[1])  # (classes,)',
    'print(scores.argmax(), scores.max())',
]


MASKS = [
    'boxes, scores, labels, masks = predictor(sys.argv[1])  # masks: (objects, height, width)',
    'for box, score, label, mask in zip(boxes, scores, labels, masks):',
    '    print(predictor.classes[label], score, box, mask.sum())',
]


def card_text(artefact: Artefact) -> str:
    """Write the card: what the artefact is, what was measured of it, how it is used."""
    size = (
        f'any multiples of {MULTIPLE} pixels'
        if artefact.dynamic
        else '{} x {} pixels'.format(*artefact.size)
    )
    kinds = {LABEL_MAP: 'segmentor', BOXES: 'detector'}
    lines = [
        f'# A {kinds.get(artefact.task, "classifier")} for {artefact.runtime}, '
        f'{artefact.precision}',
        '',
        f'`{artefact.model_file.name}` (sha256 {artefact.digest}) takes {artefact.batch or "any"} '
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
        "predictor = Predictor('.')  # this folder; needs numpy, Pillow and the runtime",
        *(MASKS if 'masks' in artefact.outputs else EXAMPLES.get(artefact.task, CLASSIFIER)),
        '```',
        '',
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
