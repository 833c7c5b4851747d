"""How little data a JPEG's pixels can be written in: what has less was cut, or its header lies."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["fewest_bytes"]

# Bits that every block of 8 x 8 takes, at least, by the marker of the frame (ITU-T T.81, F.1.2 and G.1.2). A Huffman
# code has one bit or more. Sequential: one for the mean, and one for the end of the block, or for what stands before
# it. Progressive: one for the mean, for a single code may end thousands of blocks. Arithmetic coding: no bound.
_BITS: Final = {0xC0: 2, 0xC1: 2, 0xC2: 1}


def fewest_bytes(code: int, frame: bytes) -> int:
    """Bytes that the scans of a frame have at least; 0 where nothing is known.

    Args:
        code: the second byte of its marker.
        frame: its header, behind the length.

    Raises:
        struct.error: it is cut short.
    """
    height, width, count = struct.unpack_from(">xHHB", frame)
    factors = [frame[at] for at in range(7, min(len(frame), 6 + 3 * count), 3)]
    across, down = (max((shares(factor) for factor in factors), default=0) for shares in (_across, _down))
    if not across or not down:
        return 0  # no decoder takes it
    blocks = sum(_blocks(width * _across(factor), across) * _blocks(height * _down(factor), down) for factor in factors)
    return blocks * _BITS.get(code, 0) // 8


def _across(factor: int) -> int:
    return factor >> 4


def _down(factor: int) -> int:
    return factor & 15


def _blocks(samples: int, share: int) -> int:
    """Blocks along a side of so many samples, of which each component has its share."""
    return -(-samples // (8 * share))
