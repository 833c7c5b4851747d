"""Code in a process of its own, for what cannot be undone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import duihua

SRC = Path(duihua.__file__).parents[1]


def apart(code: str, *arguments: str) -> str:
    """What a new Python process prints that runs this, with Duihua importable."""
    script = f"import sys; sys.path.insert(0, {str(SRC)!r})\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


DENIED = """
def denied(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return type(error).__name__
    return "done"
"""
