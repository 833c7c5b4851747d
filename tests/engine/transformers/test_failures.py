from __future__ import annotations

import pytest
import torch

from duihua.engine.transformers.failures import is_device_lost, is_out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_memory_runs_out_in_many_words(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_device_lost(error)


def test_a_lost_device_is_known_by_its_words() -> None:
    assert is_device_lost(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert is_device_lost(RuntimeError("device-side assert triggered"))
    assert not is_device_lost(ValueError("odd shape"))
    assert not is_out_of_memory(ValueError("odd shape"))
