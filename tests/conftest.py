"""Fixtures that several rooms use: the official NASViT weights by rule, and the golden cases."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).parent / 'golden'


@pytest.fixture(scope='session', autouse=True)
def _threads() -> None:
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))


@pytest.fixture(autouse=True)
def _no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teachers compute as on a CPU without bfloat16, whatever CPU tests run on."""
    monkeypatch.setattr('nasvit_mm.compat.amp.has_bf16', lambda: False)


class Golden:
    """A folder of golden vectors: outputs of the authors' code for weights made by a rule."""

    def __init__(self, folder: str) -> None:
        self.path = GOLDEN / folder
        spec = importlib.util.spec_from_file_location(f'{folder}_rule', self.path / 'weights.py')
        self.rule = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.rule)

    def load(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.path / name) as content:
            return dict(content)

    def json(self, name: str) -> dict:
        path = self.path / name
        return json.loads(
            gzip.decompress(path.read_bytes()) if name.endswith('.gz') else path.read_text()
        )

    def state(self, keys: str) -> dict[str, torch.Tensor]:
        """State dict of an official model, from its list of keys."""
        return {
            k: torch.from_numpy(self.rule.golden_value(k, shape))
            if 'float' in dtype
            else torch.zeros(shape, dtype=torch.int64)
            for k, (shape, dtype) in self.json(keys).items()
        }

    def picture(self, case: dict) -> torch.Tensor:
        _, _, height, width = case['input']['shape']
        make = (
            self.rule.golden_structured_input
            if case['name'].startswith('structured')
            else self.rule.golden_input
        )
        return torch.from_numpy(make(height, width))


@pytest.fixture(scope='session')
def nasvit_golden() -> Golden:
    return Golden('nasvit')


@pytest.fixture(scope='session')
def nasvit_official(nasvit_golden: Golden) -> dict[str, torch.Tensor]:
    """State dict of the official NASViT supernet."""
    return nasvit_golden.state('nasvit_supernet.json')
