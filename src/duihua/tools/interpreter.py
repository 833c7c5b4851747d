"""A Python process that keeps its variables and is shut in, as its owner sees it.

The process is not trusted: what it writes is read within bounds, and whatever it does instead of answering ends it.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from duihua.errors import ConfigError, ToolFailed, ToolTimedOut, UnsupportedFeature
from duihua.tools.folder import holds_too_much, remove
from duihua.tools.output_pipe import OutputPipe

__all__ = ["Interpreter", "Protection", "PythonSettings", "Ran"]

Protection = Literal["files", "network", "processes"]

_PACKAGE: Final = Path(__file__).parents[1]  # all of Duihua, of which the process reads its own part
_SCRIPT: Final = (
    "import sys; home, *pipes = sys.argv[1:]; sys.path.insert(0, home); "
    "from duihua.tools.sandbox.inside import main; sys.path.remove(home); sys.argv[:] = ['']; main(*map(int, pipes))"
)
_START: Final = 30.0  # seconds that starting may take
_LOOK: Final = 0.25  # seconds between two looks at the directory
_LONGEST_CODE: Final = 48_000  # bytes, as JSON: a pipe that is empty takes them at once
_LONGEST_REPLY: Final = 32 << 20  # bytes
_LAST: Final = 5.0  # seconds that a killed process may take to be gone
_FLOOD: Final = 64 << 20  # bytes of output of one run


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSettings:
    """What the process may use."""

    seconds: float = 30.0  # for one run
    cpu_seconds: int = 600  # of processor time in its life
    memory_bytes: int = 2 << 30  # of address space, libraries included
    file_bytes: int = 64 << 20  # of one file
    folder_bytes: int = 256 << 20  # of all its files together
    files: int = 10_000  # in its directory
    characters: int = 8_000  # of output that are passed on; the middle of a longer one is left out
    pictures: int = 4  # of one run
    unprotected: Collection[Protection] = ()  # run even where it cannot be kept from these
    namespaces: bool = True  # of Linux, where they can be had: a second wall

    def __post_init__(self) -> None:
        wrong = sorted(set(self.unprotected) - set(get_args(Protection)))
        if wrong:
            raise ConfigError(f"unprotected={wrong} is not possible: name some of {list(get_args(Protection))}")


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one run."""

    output: str  # printed
    error: str | None  # a traceback
    value: str | None  # of the last expression
    pictures: Sequence[str] = field(default=(), repr=False)  # PNG files in Base64, not checked


class Interpreter:
    """One process. It works where it is called: keep it off an event loop. `kill` may be called from anywhere."""

    def __init__(self, settings: PythonSettings = PythonSettings()) -> None:
        """Start the process.

        Raises:
            UnsupportedFeature: this system cannot keep it from what it must not reach; nothing of it is left.
            ToolFailed: it does not start.
        """
        if os.name != "posix":
            raise UnsupportedFeature("the tool python", "limits and walls around a process need Linux (or macOS)")
        self._settings = settings
        self._process, self._requests, self._replies, lifeline, self._directory = _started()
        self._output = OutputPipe(cast("Any", self._process.stdout).fileno(), settings.characters)
        self._end = weakref.finalize(
            self, _end, self._process, (self._requests, self._replies, lifeline), self._directory
        )
        try:
            self._send(_request_of(settings, self._directory))
            self.protections: frozenset[str] = frozenset(self._answer(time.monotonic() + _START)["holds"])
            self._check_protections()
        except BaseException:
            self.close()
            raise

    @property
    def is_running(self) -> bool:
        """Whether there is a process to run anything."""
        return self._end.alive and self._process.poll() is None

    @property
    def directory(self) -> str:
        """Where it may write; gone with it."""
        return self._directory

    def run(self, code: str) -> Ran:
        """Run statements.

        Raises:
            ToolTimedOut: they did not end in time; the process was ended, and its variables are gone.
            ToolFailed: the code is too long; or the process ended, or was ended, and its variables are gone.
        """
        request = json.dumps({"code": code})
        if len(request) > _LONGEST_CODE:
            raise ToolFailed(f"the code has {len(code):,} characters: write less at once")
        try:
            self._output.begin()
            self._send(request)
            answer = self._answer(time.monotonic() + self._settings.seconds)
            return Ran(self._output.text(), answer["error"], answer["value"], answer["pictures"])
        except BaseException:
            self.close()
            raise

    def kill(self) -> None:
        """End the process at once; what waits for it finds it ended."""
        if self._end.alive and self._process.returncode is None:
            _kill(self._process)

    def close(self) -> None:
        """End the process and remove its files."""
        self._end()

    def _check_protections(self) -> None:
        missing = sorted(set(get_args(Protection)) - self.protections - set(self._settings.unprotected))
        if missing:
            raise UnsupportedFeature(
                "the tool python",
                f"this system cannot keep it from {' and '.join(missing)} (it needs Linux 5.13 or later with Landlock "
                f"and seccomp): leave it off, or accept that with unprotected={missing}",
            )

    def _send(self, line: str) -> None:
        try:
            written = os.write(self._requests, line.encode("ascii") + b"\n")
        except OSError as error:  # it ended, or reads no more
            raise self._died("it takes nothing any more") from error
        if written != len(line) + 1:
            raise self._died("it takes nothing any more")

    def _answer(self, until: float) -> dict[str, Any]:
        """The next reply; until it is there, output is read and the directory looked at."""
        reply = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            selector.register(self._output, selectors.EVENT_READ)
            look = time.monotonic() + _LOOK
            while not reply.endswith(b"\n"):
                ready = {key.fd for key, _ in selector.select(max(0.0, min(until, look) - time.monotonic()))}
                if self._output.fileno() in ready and not self._output.read():
                    selector.unregister(self._output)
                if self._replies in ready and not self._read(reply):
                    raise self._died()
                self._check(until)
                if time.monotonic() >= look:
                    self._check_folder()
                    look = time.monotonic() + _LOOK
        self._check_folder()
        self._output.read_rest()
        return self._parsed(bytes(reply))

    def _read(self, reply: bytearray) -> bool:
        part = os.read(self._replies, 1 << 16)
        reply += part
        if len(reply) > _LONGEST_REPLY or b"\n" in part[:-1]:
            raise self._died("its answer is none")
        return bool(part)

    def _check(self, until: float) -> None:
        if self._output.count > _FLOOD:
            raise self._died(f"it printed more than {_FLOOD:,} bytes")
        if time.monotonic() >= until:
            raise ToolTimedOut(
                self._settings.seconds, self._with_output("the interpreter was ended, and its variables are gone")
            )

    def _check_folder(self) -> None:
        if holds_too_much(self._directory, self._settings.folder_bytes, self._settings.files):
            raise self._died(f"it wrote more than {self._settings.folder_bytes:,} bytes, or too many files")

    def _parsed(self, reply: bytes) -> dict[str, Any]:
        """A reply, if it is what ours look like: the code may write to the same pipe."""
        kinds = {"holds": list, "error": str | None, "value": str | None, "pictures": list}
        try:
            value = cast("dict[str, Any]", json.loads(reply))
            if set(value) in ({"holds"}, {"error", "value", "pictures"}) and all(
                isinstance(item, cast("Any", kinds[key])) for key, item in value.items()
            ):
                return value
        except (ValueError, TypeError, RecursionError):
            pass
        raise self._died("its answer is none")

    def _died(self, why: str = "") -> ToolFailed:
        if not why:
            try:
                why = _cause(self._process.wait(5))
            except subprocess.TimeoutExpired:
                why = "it closed its pipes"
        self._output.read_rest()
        return ToolFailed(self._with_output(f"the interpreter ended ({why}), and its variables are gone"))

    def _with_output(self, message: str) -> str:
        printed = self._output.text()[-1000:]
        return f"{message}; it had printed: {printed}" if printed else message


def _started() -> tuple[subprocess.Popen[bytes], int, int, int, str]:
    """The process, the ends of its pipes that are ours (requests, replies, lifeline), and its directory."""
    directory = os.path.realpath(tempfile.mkdtemp(prefix="duihua-python-"))
    theirs_in, requests = os.pipe()
    replies, theirs_out = os.pipe()
    their_line, lifeline = os.pipe()
    theirs = (theirs_in, theirs_out, their_line)
    os.set_blocking(requests, False)
    script = [_SCRIPT, str(_PACKAGE.parent), *map(str, theirs)]
    try:
        process = subprocess.Popen(  # noqa: S603  our own script
            [sys.executable, "-I", "-B", "-X", "utf8", "-c", *script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=_environment(directory), cwd="/", start_new_session=True, pass_fds=theirs,
        )  # fmt: skip
    except OSError as error:
        for end in (requests, replies, lifeline):
            os.close(end)
        remove(directory)
        raise ToolFailed(f"the interpreter does not start: {error.strerror}") from error
    finally:
        for end in theirs:
            os.close(end)
    os.set_blocking(cast("Any", process.stdout).fileno(), False)
    return process, requests, replies, lifeline, directory


def _environment(directory: str) -> Mapping[str, str]:
    """Nothing of ours; one thread for each library, for every thread takes address space."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    places = dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), directory)
    return {**single, **places, "MPLBACKEND": "agg", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def _request_of(settings: PythonSettings, directory: str) -> str:
    limits = {
        "AS": settings.memory_bytes, "CPU": settings.cpu_seconds, "FSIZE": settings.file_bytes, "NOFILE": 128,
        "NPROC": 64, "CORE": 0, "MSGQUEUE": 0,
    }  # fmt: skip
    return json.dumps({
        "directory": directory, "limits": limits, "package": str(_PACKAGE), "pictures": settings.pictures,
        "namespaces": settings.namespaces,
    })  # fmt: skip


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it is gone; on macOS a group of the dead is not permitted
        process.kill()


def _end(process: subprocess.Popen[bytes], pipes: Sequence[int], directory: str) -> None:
    if process.returncode is None:
        _kill(process)
        process.wait()
    _wait_for_end(pipes[1])
    cast("Any", process.stdout).close()
    for pipe in pipes:
        os.close(pipe)
    remove(directory)


def _wait_for_end(replies: int) -> None:
    """Wait until nobody has the other end open: the process that was watched ends a moment after its watcher."""
    until = time.monotonic() + _LAST
    with selectors.DefaultSelector() as selector:
        selector.register(replies, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            if not os.read(replies, 1 << 16):
                return


def _cause(code: int) -> str:
    number = code - 128 if code > 128 else -code
    names: dict[int, str] = {int(each): each.name for each in signal.Signals}
    if number == signal.SIGKILL:
        return "SIGKILL, as where its processor time or the machine's memory is used up"
    return names.get(number, f"exit status {code}")
