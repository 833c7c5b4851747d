"""What runs in place of Python where vLLM starts a process: `launch.py LOG PARENT ARGUMENT...`.

The process becomes the leader of a process group of its own, so that a Ctrl-C at the terminal does not reach it; its
output goes to the log; and a watcher beside it kills the group when the process has ended or PARENT, ours, is gone,
however it went. Then it becomes the Python that vLLM asked for, under the same process id.

It stays in our session. Linux shares the CPU out among sessions first (sched_autogroup), and vLLM waits by spinning: in
a session of its own it kept ours from running for whole answers where there are few cores.

Standard library only, and little of it: it runs before each of vLLM's processes.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

__all__ = ["main"]

_EVERY_S = 0.5  # between two looks, where the system has no pidfd


def main(log: str, parent: int, arguments: list[str]) -> None:
    """Prepare this process and become Python with these arguments."""
    os.setpgid(0, 0)
    _redirect(log)
    leader = os.getpid()
    if not any("resource_tracker" in argument for argument in arguments) and os.fork() == 0:
        _watch(leader, parent)  # multiprocessing's tracker must outlive us, to remove what we left
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606  the very Python that vLLM named


def _redirect(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(null, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)


def _watch(leader: int, parent: int) -> None:
    """Wait for the end of either, then kill the group, this process with it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))  # an inherited pipe would hide the leader's end from its parent
    try:
        if hasattr(os, "pidfd_open"):
            _wait_for_either(leader, parent)
        else:
            while _is_alive(leader) and _is_alive(parent):
                time.sleep(_EVERY_S)
    except ProcessLookupError:
        pass  # gone before it was looked at
    finally:
        os.killpg(leader, signal.SIGKILL)


def _wait_for_either(leader: int, parent: int) -> None:
    poll = select.poll()
    for process in (leader, parent):
        poll.register(os.pidfd_open(process), select.POLLIN)
    poll.poll()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
