"""What is found of a user's data, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from nasvit_mm.own_data.lay_out import WORDS, LaidOut
from nasvit_mm.own_data.make import SHEET, NewTask

SHOWN = 40  # lines


def described(made: NewTask) -> Iterator[Table | str]:
    """Yield what a task's data hold and where the sheet is, to be printed."""
    if made.laid.table is not None:
        yield conversion_table(made.laid)
    yield counts_table(made.laid)
    yield f'look at {made.folder / SHEET}: are the labels where they belong?'


def counts_table(laid: LaidOut) -> Table:
    """Return classes by split, with the number of images of each split in the title's line."""
    out = Table(title=f'{WORDS[laid.task]} by class')
    out.add_column('class')
    for split, items in laid.splits.items():
        looked = laid.looked[split]
        of = f'{looked} of {len(items)}' if looked < len(items) else len(items)
        out.add_column(f'{split} ({of})', justify='right')
    totals = {split: sum(counts.values()) or 1 for split, counts in laid.counts.items()}
    for i, name in enumerate(laid.classes[:SHOWN]):
        out.add_row(
            name,
            *(
                f'{counts[i] / totals[split]:.2%}' if laid.task == 'seg' else str(counts[i])
                for split, counts in laid.counts.items()
            ),
        )
    if len(laid.classes) > SHOWN:
        out.add_row(f'and {len(laid.classes) - SHOWN} more')
    return out


def conversion_table(laid: LaidOut) -> Table:
    """Return the table by which masks were converted."""
    out = Table(title='masks were converted by this table')
    for column in ('in the files', 'class', 'name', 'pixels'):
        out.add_column(column, justify='left' if column == 'name' else 'right')
    for row in laid.table[:SHOWN]:
        out.add_row(row.shown, str(row.label), row.name, f'{row.share:.2%}')
    return out
