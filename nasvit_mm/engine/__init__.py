"""What plain networks and their weights take of mmengine.

A backbone is a module of mmengine and is in its registries, but as a model of timm or of plain
torch it needs neither.  Without the mm packages ``create_model``, its weights, spaces and costs
work by the stand-ins of this room; whatever else is built needs mmengine.
"""

try:
    from mmengine import registry as ROOTS
    from mmengine.logging import HistoryBuffer, print_log
    from mmengine.model import BaseModule
    from mmengine.registry import Registry
    from mmengine.runner import CheckpointLoader
except ImportError as error:
    if (error.name or 'mmengine').partition('.')[0] != 'mmengine':
        raise  # a package that mmengine needs
    from nasvit_mm.engine.stand_ins import (
        ROOTS,
        BaseModule,
        CheckpointLoader,
        HistoryBuffer,
        Registry,
        print_log,
    )

__all__ = ['ROOTS', 'BaseModule', 'CheckpointLoader', 'HistoryBuffer', 'Registry', 'print_log']
