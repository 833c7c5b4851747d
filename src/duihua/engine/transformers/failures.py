"""What an exception out of torch means for those who wait."""

from __future__ import annotations

import torch

__all__ = ["is_device_lost", "is_out_of_memory"]


def is_device_lost(error: BaseException) -> bool:
    """Whether the device cannot be used any more by this process."""
    return "device-side assert" in str(error) or "CUDA error" in str(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; on CPU, torch says so in words only."""
    words = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "allocate memory" in words
        or "out of memory" in words
    )
