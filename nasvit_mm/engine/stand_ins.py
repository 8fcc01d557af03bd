"""As little of mmengine as plain networks and their weights need, where it is not installed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import nn

from nasvit_mm.errors import UsageError

ROOTS = None  # mmengine's own registries


def missing(what: str) -> UsageError:
    """Return the error that something needs mmengine."""
    return UsageError(
        f"{what} needs mmengine, which is not installed: pip install 'nasvit_mm[onedl]'"
    )


class Registry:
    """Classes by their names."""

    def __init__(
        self, name: str, parent: None = None, scope: str = '', locations: Sequence[str] = ()
    ) -> None:
        self.name, self.scope, self.locations = name, scope, list(locations)
        self.module_dict: dict[str, Any] = {}

    def import_from_location(self) -> None:
        """Import the rooms that register classes, but for those that need mmengine."""
        while self.locations:
            try:
                import_module(self.locations.pop(0))
            except ImportError as error:
                if (error.name or 'mmengine').partition('.')[0] not in ('mmengine', 'mmcv'):
                    raise

    def register_module(
        self, name: str | None = None, force: bool = False, module: Any = None
    ) -> Callable[[Any], Any]:
        """Register a class, or return the decorator that does."""

        def register(kind: Any) -> Any:
            self.module_dict[name or kind.__name__] = kind
            return kind

        return register if module is None else register(module)

    def get(self, name: str) -> Any:
        """Return the class of a name, None where there is none."""
        self.import_from_location()
        return self.module_dict.get(name.removeprefix(f'{self.scope}.'))

    def build(self, cfg: Mapping[str, Any]) -> Any:
        """Build what a config part describes.

        Raises:
            UsageError: its class needs mmengine.
        """
        options = dict(cfg)
        kind = self.get(options.pop('type'))
        if kind is None:
            raise missing(f'{cfg["type"]} ({self.name})')
        return kind(**options)


class BaseModule(nn.Module):
    """A module that may be told how to initialise its weights."""

    def __init__(self, init_cfg: Any = None) -> None:
        super().__init__()
        self.init_cfg, self._is_init = init_cfg, False

    def init_weights(self) -> None:
        """Leave the weights as they were drawn.

        Raises:
            UsageError: ``init_cfg`` asks for an initialiser of mmengine.
        """
        if self.init_cfg is not None:
            raise missing(f'init_cfg = {self.init_cfg!r}')


class HistoryBuffer:
    """What logs in mmengine's checkpoints are made of; nobody reads them here."""

    mean = max = min = current = None


class CheckpointLoader:
    """Loads files and URLs."""

    @staticmethod
    def load_checkpoint(filename: str, map_location: Any = None, logger: Any = None) -> Any:
        """Return the content of a checkpoint.

        Raises:
            UsageError: the address has a scheme of mmengine's.
        """
        if filename.startswith(('http://', 'https://')):
            return torch.hub.load_state_dict_from_url(filename, map_location=map_location)
        if '://' in filename:
            raise missing(filename)
        return torch.load(filename, map_location=map_location)


def print_log(message: str, logger: Any = None, level: int = logging.INFO) -> None:
    """Hand a message to Python's logging."""
    logging.getLogger('nasvit_mm').log(level, message)
