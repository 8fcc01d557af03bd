"""A sheet of images with their labels: the quickest way to see that data are read as meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from nasvit_mm.legend import coloured, with_legend
from nasvit_mm.own_data.detection_layouts import Box
from nasvit_mm.own_data.found import Item
from nasvit_mm.own_data.label_maps import label_pixels
from nasvit_mm.own_data.lay_out import LaidOut
from nasvit_mm.own_data.names import Colour

COLUMNS, ROWS = 4, 3
WIDE, HIGH = 320, 240  # pixels of a place
TITLE = 20  # its height
MOST_SHOWN = 60  # classes in the legend
FONT = ImageFont.load_default(size=14)


def draw_sheet(laid: LaidOut) -> Image.Image:
    """Draw some images of all splits with their labels, and a legend of the classes."""
    chosen = _chosen(laid)
    places = [(f'{split}: {item.name}', _shown(laid, item)) for split, item in chosen]
    labels = dict(zip(laid.classes[:MOST_SHOWN], laid.colours)) if laid.task != 'cls' else {}
    return contact_sheet(places, labels)


def contact_sheet(
    places: Sequence[tuple[str, Image.Image]], labels: Mapping[str, Colour], columns: int = COLUMNS
) -> Image.Image:
    """Put titled images of one size into rows, over a legend of names and colours."""
    wide = max(image.width for _, image in places)
    high = max(image.height for _, image in places)
    columns = min(columns, len(places))
    rows = -(-len(places) // columns)
    sheet = Image.new('RGB', (columns * wide, rows * (high + TITLE)), 'white')
    draw = ImageDraw.Draw(sheet)
    for i, (title, image) in enumerate(places):
        x, y = i % columns * wide, i // columns * (high + TITLE)
        draw.text((x + 4, y + 1), _fitting(draw, title, wide - 8), 'black', FONT)
        sheet.paste(image, (x + (wide - image.width) // 2, y + TITLE))
    return with_legend(sheet, [(name, tuple(colour)) for name, colour in labels.items()])


def _fitting(draw: ImageDraw.ImageDraw, text: str, width: int) -> str:
    while text and draw.textlength(text, FONT) > width:
        text = text[:-2] + '…' if len(text) > 2 else ''
    return text


def with_boxes(
    image: Image.Image, boxes: Iterable[tuple[str, Sequence[float]]], colours: Mapping[str, Colour]
) -> Image.Image:
    """Draw boxes [x, y, width, height] with their names into an image, in place."""
    draw = ImageDraw.Draw(image)
    for name, (x, y, w, h) in boxes:
        colour = tuple(colours.get(name, (255, 0, 0)))
        draw.rectangle((x, y, x + w, y + h), outline=colour, width=2)
        draw.text((x + 3, y + 1), name, colour, FONT, stroke_width=1, stroke_fill='black')
    return image


def _chosen(laid: LaidOut) -> list[tuple[str, Item]]:
    """Choose images of all splits, most of train, evenly through each; of classes in turn."""
    shares = {'train': COLUMNS * (ROWS - 1), 'val': COLUMNS // 2, 'test': COLUMNS // 2}
    out = []
    for split, number in shares.items():
        items = laid.splits[split]
        if laid.task == 'cls':  # sorted by class; begin each with its first image
            seen: dict[str, int] = {}
            rank = []
            for item in items:
                rank.append((seen.setdefault(item.label, 0), item.label, item))
                seen[item.label] += 1
            items = [item for *_, item in sorted(rank, key=lambda r: r[:2])]
            out += [(split, item) for item in items[:number]]
            continue
        step = max(len(items) // number, 1)
        out += [(split, item) for item in items[::step][:number]]
    return out


def _shown(laid: LaidOut, item: Item) -> Image.Image:
    with Image.open(item.image) as opened:
        image = ImageOps.exif_transpose(opened).convert('RGB')
    scale = min(WIDE / image.width, HIGH / image.height)
    size = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    small = image.resize(size, Image.Resampling.BILINEAR)
    if laid.task == 'seg':
        with Image.open(item.label) as opened:
            labels = label_pixels(opened)
        labels = Image.fromarray(labels.astype(np.int32)).resize(size, Image.Resampling.NEAREST)
        small = Image.fromarray(coloured(np.array(small), np.array(labels), laid.colours))
    elif laid.task == 'det':
        boxes = [(b.category, _scaled(b, scale)) for b in item.label.boxes]
        with_boxes(small, boxes, dict(zip(laid.classes, laid.colours)))
    else:
        draw = ImageDraw.Draw(small)
        draw.text((4, 2), str(item.label), 'yellow', FONT, stroke_width=1, stroke_fill='black')
    return small


def _scaled(box: Box, scale: float) -> list[float]:
    return [scale * v for v in box.bbox]


def save_sheet(laid: LaidOut, path: Path) -> None:
    """Write the sheet as PNG."""
    draw_sheet(laid).save(path, format='PNG')
