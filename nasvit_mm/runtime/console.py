"""A console that one can read: what is long goes to the log file alone."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any
from unittest import mock

import mmengine.logging
from mmengine.runner import Runner
from rich.console import Console
from rich.text import Text

from nasvit_mm.errors import printable

# Beginnings of mmengine's messages of hundreds of lines.
LONG = re.compile(
    r'\s*(paramwise_options --|Config:\n|-{20,}\nSystem environment:|Hooks will be executed)'
)


_print_log = mmengine.logging.print_log


def _print_what_matters(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
    if logger is None and level <= logging.DEBUG:
        return
    _print_log(msg, logger, level)


def hide_debug_prints() -> None:
    """Print no debug messages without a logger: OneDL's mmseg and mmdet say what they did not find.

    To be called before they are imported; mmengine prints such messages whatever their level is.
    """
    mmengine.logging.print_log = _print_what_matters


@contextmanager
def quiet_packages() -> Iterator[None]:
    """Show nothing of what mmseg says of its losses and packages, and pycocotools of each file."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings('ignore', module='mmseg')
        yield


class PlainConsole(Console):
    """A console to which names are text: no markup, emoji or terminal code in them has effect."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Lay out a string; rich calls it for whatever is no style of its own."""
        return super().render_str(printable(text), **options)


class Harmless(logging.Filter):
    """Shows terminal codes in names (of classes, files) instead of sending them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record, and let it pass."""
        record.msg, record.args = printable(record.getMessage()), ()
        return True


class Short(logging.Filter):
    """Lets pass what is not long."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is shown."""
        return not LONG.match(record.getMessage())


@contextmanager
def short_console() -> Iterator[None]:
    """Keep environment, config, hooks and options of every parameter off the console.

    They are in the log file of the runners that are built inside the block.  Names in messages are
    shown, whatever codes of terminals they hold.
    """
    build = Runner.build_logger

    def build_logger(self: Runner, *args: Any, **kwargs: Any) -> Any:
        logger = build(self, *args, **kwargs)
        for handler in logger.handlers:
            handler.addFilter(Harmless())
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(Short())
        return logger

    with mock.patch.object(Runner, 'build_logger', build_logger):
        yield
