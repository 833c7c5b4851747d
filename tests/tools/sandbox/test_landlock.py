"""Files that are given up are gone: to read, to write, to make, to move and to remove."""

from __future__ import annotations

from pathlib import Path

from tools.sandbox.apart import DENIED, apart

CODE = (
    DENIED
    + """
import os, sys
from duihua.tools.sandbox.landlock import restrict_files
inside, readable, outside = sys.argv[1:]
held = os.open(outside + "/held", os.O_RDWR | os.O_CREAT)
version = restrict_files([readable, "/no/such/place"], [inside], ["/dev/null"])
print(version > 0)
here, there, elsewhere = inside + "/a", readable + "/a", outside + "/a"
print(denied(open, here, "w"), denied(os.mkdir, inside + "/b"), denied(os.rename, here, inside + "/b/a"),
      denied(os.remove, inside + "/b/a"), denied(os.listdir, inside), denied(os.symlink, "/etc", inside + "/link"))
print(denied(open, there), denied(open, there, "w"), denied(os.remove, there), denied(os.listdir, readable))
print(denied(open, elsewhere), denied(open, elsewhere, "a"), denied(os.mkdir, outside + "/b"),
      denied(os.remove, elsewhere), denied(os.listdir, outside), denied(os.link, there, inside + "/hard"),
      denied(os.rename, there, inside + "/moved"), denied(open, inside + "/link/passwd"),
      denied(os.mkfifo, outside + "/pipe"), denied(os.truncate, elsewhere, 0) if version >= 3 else "PermissionError")
print(denied(open, "/dev/null", "w"), denied(os.execv, "/bin/true", ["true"]), os.write(held, b"x"))
"""
)


def test_only_what_is_named_is_left(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("inside", "readable", "outside")]
    for folder in folders:
        folder.mkdir()
    for folder in folders[1:]:
        (folder / "a").write_text("secret")
    shown = apart(CODE, *map(str, folders)).splitlines()
    assert shown[0] == "True"
    assert shown[1].split() == ["done"] * 6
    assert shown[2].split() == ["done", "PermissionError", "PermissionError", "done"]
    assert set(shown[3].split()) <= {"PermissionError", "OSError"}  # a link across is another error: EXDEV
    assert len(shown[3].split()) == 10
    assert shown[4].split() == ["done", "PermissionError", "1"]
    assert (folders[2] / "a").read_text() == "secret"
