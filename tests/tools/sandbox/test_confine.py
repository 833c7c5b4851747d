"""A process that is confined says what it is kept from, and has no rights left."""

from __future__ import annotations

from pathlib import Path

from tools.sandbox.apart import DENIED, apart

STATUS = """
import re
def status():
    text = open("/proc/self/status").read()
    return {key: value for key, value in re.findall(r"^(CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):\\s+(\\S+)", text, re.M)}
"""
WITHOUT = """
import ctypes, struct
from duihua.tools.sandbox.kernel import prctl
def without(*numbers, error=38):
    # A filter of our own that makes these calls of x86-64 unknown, as on a system that has not got them.
    program = [(0x20, 0, 0, 0)]
    for number in numbers:
        program += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | error)]
    program.append((0x06, 0, 0, 0x7FFF0000))
    packed = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    prctl(38, 1)
    prctl(22, 2, struct.pack("@HP", len(program), ctypes.addressof(packed)))
"""


def test_everything_holds_and_no_right_is_left(tmp_path: Path) -> None:
    code = (
        STATUS
        + DENIED
        + """
    """.rstrip()
        + """
from duihua.tools.sandbox.confine import confine, readable_by_python
import sys
print(confine([*readable_by_python(), "/proc"], [sys.argv[1]]))
print(status())
print(denied(open, "/etc/passwd"), denied(open, sys.argv[1] + "/a", "w"))
import decimal, sqlite3
"""
    )
    holds, status, files = apart(code, str(tmp_path)).splitlines()
    assert holds == "['files', 'network', 'processes']"
    none = "0" * 16
    assert status == str({"CapPrm": none, "CapEff": none, "CapBnd": none, "NoNewPrivs": "1", "Seccomp": "2"}) or (
        "'CapEff': '0000000000000000'" in status and "'NoNewPrivs': '1', 'Seccomp': '2'" in status
    )
    assert files == "PermissionError done"


def test_a_system_without_landlock_does_not_say_that_files_hold(tmp_path: Path) -> None:
    code = (
        WITHOUT
        + """
import sys
from duihua.tools.sandbox.confine import confine
without(444)
print(confine([], [sys.argv[1]]))
"""
    )
    assert apart(code, str(tmp_path)) == "['network', 'processes']"


def test_limits_are_set_for_good() -> None:
    code = """
    import resource
    from duihua.tools.sandbox.confine import set_limits
    set_limits({"NOFILE": 20, "CORE": 0, "NOTHING": 3})
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
    set_limits({"NOFILE": 30})
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
    """
    assert apart(code).splitlines() == ["(20, 20)", "(20, 20)"]
