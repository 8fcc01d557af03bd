"""Memory that tensors gave back stays with the process."""

import multiprocessing
import os
import sys

import numpy as np
import pytest

from nasvit_mm.compat import keep_freed_memory

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='a setting of glibc')


def measured(environment):
    """Return whether freed memory is kept, and the page faults of 64 MiB that come after others."""
    import resource

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.full(1 << 26, 1, np.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    os.environ.update(environment)
    kept = keep_freed_memory()
    faults()
    return kept, faults()


def in_a_process(environment):
    with multiprocessing.get_context('fork').Pool(1) as pool:
        return pool.apply(measured, (environment,))


def test_freed_memory_is_used_again():
    kept, faults = in_a_process({})
    assert faults < 10 or not kept  # not: another C library


def test_settings_of_the_environment_stay():
    kept, _ = in_a_process(dict(MALLOC_ARENA_MAX='2'))
    assert not kept
