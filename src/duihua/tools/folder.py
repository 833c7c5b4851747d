"""A directory that somebody not trusted writes to: how much is in it, and how it goes away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

__all__ = ["holds_too_much", "remove"]

_DEEPEST: Final = 32


def holds_too_much(directory: str, most_bytes: int, most_files: int) -> bool:
    """Whether the files below a directory have more bytes, or are more, than this, or lie more than 32 levels deep.

    No link is followed, and the look is over as soon as it is too much.
    """
    total = count = 0
    waiting = [(directory, 0)]
    while waiting:
        path, depth = waiting.pop()
        try:
            entries = os.scandir(path)
        except OSError:  # it went away meanwhile
            continue
        with entries:
            for entry in entries:
                count += 1
                try:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                except OSError:
                    continue
                if total > most_bytes or count > most_files or depth >= _DEEPEST:
                    return True
    return False


def remove(directory: str) -> None:
    """Remove a directory with all that is in it, however deep; no link is followed."""
    if not holds_too_much(directory, sys.maxsize, sys.maxsize):
        shutil.rmtree(directory, ignore_errors=True)
    if os.path.isdir(directory):  # it is deeper than Python's own way reaches
        subprocess.run(["/bin/rm", "-rf", "--", directory], stdin=subprocess.DEVNULL, check=False)  # noqa: S603
