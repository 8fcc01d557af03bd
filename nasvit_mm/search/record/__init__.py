"""What a search leaves behind: archive, front, report."""

from nasvit_mm.search.record.archive import Archive, read_archive
from nasvit_mm.search.record.report import front_table, write_report

__all__ = ['Archive', 'front_table', 'read_archive', 'write_report']
