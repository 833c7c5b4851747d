"""A network, processes and shared memory of one's own, where Linux gives them to anybody.

It is a second wall: what it shuts out, the filter of system calls shuts out too.
"""

from __future__ import annotations

import os

from duihua.tools.sandbox.kernel import is_linux, system_call

__all__ = ["enter_namespaces"]

_UNSHARE = {"x86_64": 272, "aarch64": 97}
_USER, _PROCESSES, _NETWORK, _MEMORY = 0x10000000, 0x20000000, 0x40000000, 0x08000000


def enter_namespaces() -> bool:
    """Leave the network, and have children see no other processes; tells whether that was possible.

    The first child after it is the first process of its own world. It is tried in a child first, for some systems let a
    process in and then give it nothing there.
    """
    if not is_linux() or os.uname().machine not in _UNSHARE:
        return False
    tried = os.fork()
    if tried == 0:
        os._exit(0 if _entered() else 1)
    return os.waitpid(tried, 0)[1] == 0 and _entered()


def _entered() -> bool:
    user, group = os.getuid(), os.getgid()
    try:
        system_call(_UNSHARE[os.uname().machine], _USER | _PROCESSES | _NETWORK | _MEMORY)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError:
        return False
    return True
