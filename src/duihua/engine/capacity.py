"""What fits: a model's weights and the longest context beside them, in the memory of a device.

An estimate from sizes alone. What an engine needs besides (activations, CUDA graphs, its own code) is what the tenth
of a GPU's free memory is for that is not counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from duihua.checkpoint.geometry import KvLayout

__all__ = ["GPU_SHARE", "Load", "Room", "context_that_fits", "cures", "gpu_room"]

GPU_SHARE: Final = 0.9  # of a GPU's free memory that weights, keys and values may take
_MOST_TOKENS: Final = 2**40
_LEAST_TOKENS: Final = 1024  # a context below this is no conversation
_ROUND: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A model as an engine holds it."""

    weight_bytes: int
    layout: KvLayout | None  # None: unknown, see `kv_layout`
    bytes_per_value: int  # of keys and values
    heads: int | None = None  # attention heads; GPUs that share a layer must part them evenly


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The memory that an engine would use."""

    bytes_each: int  # on each device, free for weights, keys and values
    devices: int = 1  # that the model is spread over
    shares_layers: bool = True  # each device has a part of every layer; else each has some of the layers


def gpu_room(
    free_bytes: Sequence[int], *, devices: int = 1, share: float = GPU_SHARE, shares_layers: bool = True
) -> Room:
    """The room on the first so many GPUs; the one with the least decides.

    Args:
        free_bytes: of each GPU, in order.
        devices: how many of them are used, at least one.
        share: of what is free that may be used.
        shares_layers: see `Room`.
    """
    least = min(free_bytes[:devices], default=0)
    return Room(bytes_each=int(share * least), devices=devices, shares_layers=shares_layers)


def context_that_fits(load: Load, room: Room) -> int | None:
    """Tokens of context that fit beside the weights; 0 where the weights alone do not; None for an unknown layout."""
    layout = load.layout
    left = room.bytes_each - -(-load.weight_bytes // room.devices)
    if left <= 0:
        return 0
    if layout is None:
        return None
    parted = room.devices if not room.shares_layers else min(room.devices, layout.heads)
    size = layout.bytes_of
    return bisect_right(
        range(1, _MOST_TOKENS), left * parted, key=lambda tokens: size(tokens, bytes_per_value=load.bytes_per_value)
    )


def cures(load: Load, room: Room, wanted: int, *, gpus: Sequence[int] = (), may_quantise: bool = False) -> list[str]:
    """Flags each of which would make a context of `wanted` tokens fit, or a shorter one; empty where none would.

    Args:
        load: the model.
        room: where it does not fit.
        wanted: tokens.
        gpus: free bytes of every GPU that vLLM can spread the model over.
        may_quantise: the weights are no narrower than 16 bits, and vLLM runs on a GPU.
    """
    flags = [f"--tensor-parallel-size {count}" for count in [_enough_gpus(load, gpus, room.devices, wanted)] if count]
    halved = Load(
        weight_bytes=load.weight_bytes // 2, layout=load.layout, bytes_per_value=load.bytes_per_value, heads=load.heads
    )
    if load.bytes_per_value > 2:  # float32
        narrow = Load(weight_bytes=halved.weight_bytes, layout=load.layout, bytes_per_value=2)
        flags += ["--dtype bfloat16"] if _holds(narrow, room, wanted) else []
    elif may_quantise and _holds(halved, room, wanted):
        flags.append("--quantization fp8")
    if _LEAST_TOKENS <= (fits := context_that_fits(load, room) or 0) < wanted:
        flags.append(f"--context-window {fits // _ROUND * _ROUND}")
    return flags


def _enough_gpus(load: Load, gpus: Sequence[int], used: int, wanted: int) -> int | None:
    """The fewest GPUs, a power of two, that hold it all and part the heads evenly."""
    count = 2
    while count <= len(gpus):
        is_even = load.heads is None or load.heads % count == 0
        if count > used and is_even and _holds(load, gpu_room(gpus, devices=count), wanted):
            return count
        count *= 2
    return None


def _holds(load: Load, room: Room, wanted: int) -> bool:
    fits = context_that_fits(load, room)
    return fits is None or fits >= wanted
