"""A candidate on its way to training."""

from nasvit_mm.search.handover.export import (
    CONFIG,
    Exported,
    check_folder,
    export_model,
    export_subnet,
    listed,
)

__all__ = ['CONFIG', 'Exported', 'check_folder', 'export_model', 'export_subnet', 'listed']
