"""The fixture that runs a test on fake CUDA tensors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.test_gpu.fake import TORCH, Meter, fake_gpu


@pytest.fixture
def meter() -> Iterator[Meter]:
    """Have a test use CUDA tensors where there is no GPU, and count what a real one would do."""
    if torch.cuda.is_available() or not torch.__version__.startswith(f'{TORCH}.'):
        pytest.skip(f'fake CUDA tensors are of torch {TORCH} without a GPU')
    with fake_gpu() as meter:
        yield meter
