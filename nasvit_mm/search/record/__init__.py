"""What a search leaves behind: archive, front, report."""

from nasvit_mm.search.record.archive import Archive, read_archive
from nasvit_mm.search.record.front import front, record_values
from nasvit_mm.search.record.report import described, forecast_words, front_table, write_report

__all__ = [
    'Archive',
    'described',
    'forecast_words',
    'front',
    'front_table',
    'read_archive',
    'record_values',
    'write_report',
]
