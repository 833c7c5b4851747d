"""The process that runs Python for a model. It is started with a script of one line, never imported elsewhere.

Two processes: this one, which watches, and its child, which is shut in and runs the code. The watcher ends the child
when whoever started them is gone, and tells how the child ended by its own exit status.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from typing import Any, cast

from duihua.tools.folder import remove
from duihua.tools.sandbox.confine import confine, readable_by_python, set_limits
from duihua.tools.sandbox.kernel import is_linux, prctl
from duihua.tools.sandbox.namespaces import enter_namespaces
from duihua.tools.sandbox.session import Session

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main(requests: int, replies: int, lifeline: int) -> None:
    """Read settings from `requests`, then run what comes there, one line of JSON each, and answer in `replies`.

    Args:
        requests: a file number to read from.
        replies: one to write to.
        lifeline: one that ends when nobody needs us any more.
    """
    asked = os.fdopen(requests, "r", encoding="utf-8")
    settings = cast("dict[str, Any]", json.loads(asked.readline()))
    has_namespaces = bool(settings["namespaces"]) and enter_namespaces()
    ended, alive = os.pipe()  # the child alone holds `alive` open
    child = os.fork()
    if child:
        os.close(alive)
        os.close(replies)
        asked.close()
        _watch(child, ended, lifeline, settings["directory"])
    os.close(ended)
    os.close(lifeline)
    if is_linux():
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(settings["directory"])
    set_limits(settings["limits"])
    readable = readable_by_python(settings["package"])
    holds = confine(readable, [settings["directory"]], has_own_network=has_namespaces)
    _serve(asked, replies, holds, Session(settings["pictures"]))


def _serve(asked: Any, replies: int, holds: list[str], session: Session) -> None:
    answered = os.fdopen(replies, "w", encoding="utf-8")

    def answer(value: dict[str, Any]) -> None:
        answered.write(json.dumps(value) + "\n")
        answered.flush()

    answer({"holds": holds})
    for line in asked:
        answer(session.run(json.loads(line)["code"]))
    os._exit(0)  # threads that the code left behind keep nobody waiting


def _watch(child: int, ended: int, lifeline: int, directory: str) -> None:
    """Wait for the child's end, or bring it about when we are no longer needed; does not return."""
    poll = select.poll()
    for pipe in (ended, lifeline):
        poll.register(pipe, select.POLLIN)
    ready = [pipe for pipe, _ in poll.poll()]
    os.kill(child, signal.SIGKILL)  # where it has ended, that changes nothing; code may write to its end of the pipe
    status = os.waitpid(child, 0)[1]
    if lifeline in ready:  # nobody else is left to do it
        with contextlib.suppress(OSError):
            remove(directory)
    code = os.waitstatus_to_exitcode(status)
    sys.stderr.flush()
    os._exit(code if code >= 0 else 128 - code)
