"""Public data sets, fetched from their sources into the layout that this project's configs read."""

from nasvit_mm.public_data.fetch import by_hand, fetch
from nasvit_mm.public_data.sources import SETS

__all__ = ['SETS', 'by_hand', 'fetch']
