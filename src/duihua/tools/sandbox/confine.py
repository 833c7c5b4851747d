"""All of it together: what a process gives up, and what it can say of that."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping, Sequence

from duihua.tools.sandbox.kernel import forgo_privileges, is_linux
from duihua.tools.sandbox.landlock import restrict_files
from duihua.tools.sandbox.seccomp import restrict_calls

__all__ = ["PROTECTIONS", "confine", "readable_by_python", "set_limits"]

PROTECTIONS = ("files", "network", "processes")
"""What a process can be kept from: other files, the network, other processes."""

_OF_THE_SYSTEM = (
    "/usr/lib", "/usr/lib64", "/usr/share", "/usr/local/lib", "/usr/local/share", "/lib", "/lib64",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/fonts", "/etc/mime.types",
    "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip


def set_limits(limits: Mapping[str, int]) -> None:
    """Bound what this process may use, by the names that `resource` has without `RLIMIT_`; for good.

    Some system may not know, or not take, one of them: macOS has no limit of address space.
    """
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(number, (most, most))
        except (OSError, ValueError):
            continue


def readable_by_python(*more: str) -> list[str]:
    """The directories and files that Python needs to go on importing, with those of the system that hold no secrets."""
    homes = dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix))
    return [*_OF_THE_SYSTEM, *(os.path.join(home, name) for home in homes for name in ("lib", "lib64")), *more]


def confine(readable: Sequence[str], writable: Sequence[str], *, has_own_network: bool = False) -> list[str]:
    """Give up everything but this; tells which of `PROTECTIONS` hold now.

    Args:
        readable: files and directories that may still be read.
        writable: directories in which everything may still be done.
        has_own_network: namespaces were entered before.
    """
    version = 0
    if is_linux():
        forgo_privileges()
        version = restrict_files(readable, writable, (os.devnull,))
    has_filter = restrict_calls(without_truncate=version < 3)
    holds = {
        "files": version >= 3 or (version > 0 and has_filter),
        "network": has_filter or has_own_network,
        "processes": has_filter,
    }
    return [name for name in PROTECTIONS if holds[name]]
