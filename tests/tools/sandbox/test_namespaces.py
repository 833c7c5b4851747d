"""Where the system gives namespaces, a process has no network and no neighbours; where it does not, nothing changes."""

from __future__ import annotations

from pathlib import Path

from tools.sandbox.apart import apart
from tools.sandbox.test_confine import WITHOUT

CODE = """
import os, socket, sys
from duihua.tools.sandbox.namespaces import enter_namespaces
user = os.getuid()
if not enter_namespaces():
    print("none")
    sys.exit()
assert os.getuid() == user
open(sys.argv[1] + "/made", "w").close()
child = os.fork()
if child == 0:
    print(os.getpid(), [name for _, name in socket.if_nameindex()], flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_child_is_alone(tmp_path: Path) -> None:
    shown = apart(CODE, str(tmp_path))
    assert shown in ("none", "1 ['lo']") or shown.startswith("1 ['lo', ")
    assert (tmp_path / "made").exists() == (shown != "none")


def test_where_there_are_none_the_process_is_as_it_was() -> None:
    code = (
        WITHOUT
        + """
import os
from duihua.tools.sandbox.namespaces import enter_namespaces
without(272, error=1)
print(enter_namespaces(), os.getpid() > 1)
"""
    )
    assert apart(code) == "False True"
