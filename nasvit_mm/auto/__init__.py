"""All steps from a folder of data to an artefact, in one work dir, each skipped once it is done."""

from nasvit_mm.auto.chain import Chain, Step
from nasvit_mm.auto.journey import Journey
from nasvit_mm.auto.run import Wish, default_runtime, run_auto

__all__ = ['Chain', 'Journey', 'Step', 'Wish', 'default_runtime', 'run_auto']
