"""All steps from a folder of data to an artefact, in one work dir, each skipped once it is done."""

from nasvit_mm.auto.chain import Chain, Step
from nasvit_mm.auto.journey import Journey, Target
from nasvit_mm.auto.page import About
from nasvit_mm.auto.run import Wish, default_runtime, finish, run_auto

__all__ = [
    'About',
    'Chain',
    'Journey',
    'Step',
    'Target',
    'Wish',
    'default_runtime',
    'finish',
    'run_auto',
]
