"""This project's registries know what was registered, and nothing else."""

from __future__ import annotations

import pytest

from nasvit_mm import registry


@pytest.mark.parametrize('name', ['ALGORITHMS', 'SAMPLERS', 'SUBNET_EVALUATORS', 'COSTS', 'MODELS'])
def test_a_module_of_python_is_not_registered(name):
    assert registry.registered(getattr(registry, name), 'json') is None
    assert registry.registered(getattr(registry, name), None) is None


def test_what_is_registered_is_found():
    assert registry.registered(registry.ALGORITHMS, 'random').__name__ == 'RandomSearch'
    assert registry.registered(registry.CONFLICT_RULES, 'project').__name__ == 'project_conflict'
