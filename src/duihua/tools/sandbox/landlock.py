"""Files: Landlock, by which a process on Linux (5.13 or later) gives up what it may read and write.

The numbers are those of the kernel's interface, include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from duihua.tools.sandbox.kernel import is_linux, system_call

__all__ = ["restrict_files"]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1  # flag of create_ruleset: tell the interface's version
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _READ_FILE | _READ_DIR
_OF_FILES = 1 | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV  # what may be allowed of a file that is no directory
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # all that a version knows
_NETWORK, _SCOPES = 0b11, 0b11  # bind and connect (version 4); sockets without a file, and signals (version 6)


def restrict_files(readable: Sequence[str], writable: Sequence[str], exchangeable: Sequence[str] = ()) -> int:
    """Give up all files but these and what is below them. What is open already stays open.

    From version 4 on connections over TCP go too, from 6 on signals to processes outside.

    Args:
        readable: directories and files that may be read; those that are not there are left out.
        writable: directories in which everything may be done, but for running programs and making devices.
        exchangeable: files that may be read and written, such as /dev/null.

    Returns:
        The version of the interface; 0 where this system has none, and nothing was done.
    """
    version = _version()
    if version == 0:
        return 0
    handled = _RIGHTS[max(known for known in _RIGHTS if known <= version)]
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("=QQQ", handled, _NETWORK, _SCOPES)[:size]
    ruleset = system_call(_CREATE_RULESET, attributes, size, 0)
    try:
        devices = 1 << 6 | 1 << 11 | 1 | _IOCTL_DEV  # made, run, spoken to
        for paths, rights in (
            (readable, _READ), (writable, handled & ~devices), (exchangeable, _READ_FILE | _WRITE_FILE),
        ):  # fmt: skip
            for path in paths:
                _allow(ruleset, path, rights & handled)
        system_call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _version() -> int:
    if not is_linux():
        return 0
    try:
        return system_call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:  # not built in, or switched off
        return 0


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # it is not there: nothing to allow
        return
    try:
        if not os.path.isdir(path):
            rights &= _OF_FILES
        system_call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
    finally:
        os.close(opened)
