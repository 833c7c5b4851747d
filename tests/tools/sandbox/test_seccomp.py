"""System calls that reach beyond the process are gone; those that it lives by are not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools.sandbox.apart import DENIED, apart

CODE = (
    DENIED
    + """
import ctypes, fcntl, os, resource, signal, socket, subprocess, sys, threading
from duihua.tools.sandbox.kernel import forgo_privileges, system_call
from duihua.tools.sandbox.seccomp import restrict_calls
other, file = int(sys.argv[1]), sys.argv[2]
pair = socket.socketpair()
letters = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
box = file + ".socket"
forgo_privileges()
print(restrict_calls(without_truncate=True))
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "no")
print(*{
    "fork": denied(os.fork), "exec": denied(os.execv, "/bin/true", ["true"]),
    "run": denied(subprocess.run, ["true"]), "spawn": denied(os.posix_spawn, "/bin/true", ["true"], {}),
    "socket": denied(socket.socket), "unix": denied(socket.socket, socket.AF_UNIX),
    "letter": denied(letters[0].sendto, b"x", box), "to": denied(letters[0].connect, box),
    "message": denied(letters[0].sendmsg, [b"x"], [], 0, box), "name": denied(letters[0].bind, box + "2"),
    "hear": denied(pair[0].listen), "pair": denied(socket.socketpair, 30),
    "kill": denied(os.kill, other, 0), "all": denied(os.kill, -1, 0), "group": denied(os.killpg, other, 0),
    "limit": denied(resource.prlimit, other, resource.RLIMIT_CPU, (1, 1)),
    "nice": denied(os.setpriority, os.PRIO_PROCESS, other, 19),
    "affinity": denied(os.sched_setaffinity, other, [0]), "session": denied(os.setsid),
    "mode": denied(os.chmod, file, 0), "time": denied(os.utime, file), "owner": denied(os.chown, file, -1, -1),
    "cut": denied(os.truncate, file, 0), "mark": denied(os.setxattr, file, "user.a", b"b"),
    "memory": denied(os.memfd_create, "a"), "shared": denied(call, "shmget", 0, 4096, 0o1600),
    "namespace": denied(call, "unshare", 0x10000000), "trace": denied(call, "ptrace", 16, other, 0, 0),
    "owner of signals": denied(fcntl.fcntl, pair[0], fcntl.F_SETOWN, other),
    "death": denied(call, "prctl", 1, 0), "ring": denied(system_call, 425, 1, None), "new": denied(system_call, 462),
}.items(), sep="\\n")
thread = threading.Thread(target=print, args=("a thread",))
thread.start(), thread.join()
print(denied(os.kill, os.getpid(), 0), denied(resource.setrlimit, resource.RLIMIT_CORE, (0, 0)),
      denied(pair[0].send, b"x"), denied(letters[0].send, b"x"), denied(os.sched_setaffinity, 0, os.sched_getaffinity(0)))
signal.raise_signal(signal.SIGCHLD)
print("alive")
"""
)


def test_what_reaches_beyond_the_process_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("here")
    box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    box.setblocking(False)
    box.bind(f"{file}.socket")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, process_group=0) as other:
        shown = apart(CODE, str(other.pid), str(file)).splitlines()
        assert other.poll() is None
        other.communicate(b"\n")
    assert shown[0] == "True"
    refused, rest = shown[1:33], shown[33:]
    assert [line for line in refused if "Error" not in line] == []
    assert "('new', 'OSError')" in refused
    assert rest == ["a thread", "done done done done done", "alive"]
    with box, pytest.raises(BlockingIOError):
        box.recv(1)
    assert file.read_text() == "here"
    assert os.stat(file).st_mode & 0o777


def test_a_machine_that_is_not_known_has_no_filter() -> None:
    code = """
    import os, types
    from duihua.tools.sandbox import seccomp
    os.uname = lambda: types.SimpleNamespace(machine="riscv64")
    print(seccomp.restrict_calls())
    """
    assert apart(code) == "False"
