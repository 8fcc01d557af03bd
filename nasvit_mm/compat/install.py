"""What ``import nasvit_mm`` changes in the interpreter: finders of modules."""

from __future__ import annotations

import sys

from nasvit_mm.compat.guards import mend_guards
from nasvit_mm.compat.mmcv_ext import StandInFinder
from nasvit_mm.compat.onedl import DistributionFinder
from nasvit_mm.compat.own_configs import find_own_configs


def install() -> None:
    """Append the finders to ``sys.meta_path``, once.

    The call loads neither torch nor mmcv; where mmseg or mmdet were imported before, it mends what
    they missed.
    """
    for finder in (StandInFinder, DistributionFinder):
        if not any(isinstance(known, finder) for known in sys.meta_path):
            sys.meta_path.append(finder())
    find_own_configs()
    mend_guards()
