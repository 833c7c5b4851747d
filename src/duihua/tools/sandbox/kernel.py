"""Linux system calls that Python has no names for."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

__all__ = ["forgo_privileges", "is_linux", "prctl", "system_call"]

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522


def is_linux() -> bool:
    """Whether there are such calls at all."""
    return sys.platform == "linux"


def system_call(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call the kernel.

    Raises:
        OSError: what it answered.
    """
    typed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *typed))


def prctl(option: int, *values: int | bytes) -> int:
    """Change something about this process; raises OSError."""
    filled = [*values, 0, 0, 0, 0][:4]
    typed = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in filled]
    return _checked(_libc().prctl(ctypes.c_int(option), *typed))


def forgo_privileges() -> None:
    """Give up every capability, for good: no program that this process becomes gets any."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError:  # there are no more, or there never were any to drop
            break
    number = _CAPSET.get(os.uname().machine)
    if number is not None:
        header = _CAPABILITY_VERSION_3.to_bytes(4, sys.byteorder) + bytes(4)
        system_call(number, header, bytes(24))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
