"""The process keeps its variables, is kept within its limits, and harms nothing, whatever it runs."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from duihua.errors import ConfigError, ToolError, ToolFailed, ToolTimedOut
from duihua.tools.interpreter import Interpreter, PythonSettings, Ran
from tools.sandbox.apart import SRC
from tools.sandbox.test_confine import WITHOUT

SMALL = PythonSettings(
    seconds=20,
    memory_bytes=512 << 20,
    file_bytes=1 << 20,
    folder_bytes=4 << 20,
    files=200,
    characters=1000,
    cpu_seconds=60,
)


FORGED = (  # the code finds the pipe that its answer goes to
    "import gc, io\nfor f in gc.get_objects():\n"
    "  if isinstance(f, io.TextIOWrapper) and f.writable() and f.fileno() > 2: f.write({}); f.flush()"
)


@pytest.fixture(scope="module")
def shared() -> Generator[Interpreter]:
    """For code that leaves the process as it was."""
    interpreter = Interpreter(SMALL)
    yield interpreter
    interpreter.close()


@pytest.fixture
def own() -> Generator[Interpreter]:
    interpreter = Interpreter(SMALL)
    yield interpreter
    interpreter.close()


def gone(processes: list[psutil.Process]) -> bool:
    """Whether these have ended, or do so at once: a killed process takes a moment, and its parent may not ask for it."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
            return True
    return False


def family(interpreter: Interpreter) -> list[psutil.Process]:
    """The watcher and the process that it watches."""
    watcher = psutil.Process(interpreter._process.pid)  # pyright: ignore[reportPrivateUsage]
    return [watcher, *watcher.children(recursive=True)]


def ended(interpreter: Interpreter, code: str, kind: type[ToolError] = ToolFailed) -> str:
    """The words in which a run that ends the process is told; nothing of it is left."""
    processes = family(interpreter)
    assert len(processes) == 2
    with pytest.raises(kind) as caught:
        interpreter.run(code)
    assert not interpreter.is_running
    assert gone(processes)
    assert not os.path.exists(interpreter.directory)
    assert "variables are gone" in str(caught.value)
    return str(caught.value)


# What it does


def test_variables_stay(shared: Interpreter) -> None:
    assert shared.run("kept = 6 * 7; print('说')") == Ran("说\n", None, None, [])
    assert shared.run("kept").value == "42"


def test_everything_is_kept_from_it(shared: Interpreter) -> None:
    assert shared.protections == {"files", "network", "processes"}


def test_control_tokens_come_back_as_they_are(shared: Interpreter) -> None:
    assert shared.run("print('<|user|>'); '<|endoftext|>'") == Ran("<|user|>\n", None, "'<|endoftext|>'", [])


def test_libraries_can_be_used(shared: Interpreter) -> None:
    assert shared.run("import numpy; int(numpy.arange(5).sum())").value == "10"
    assert shared.run("import json, sqlite3, decimal, zoneinfo, asyncio; asyncio.run(asyncio.sleep(0, 3))").value == "3"


def test_it_has_its_own_directory_and_nothing_of_our_environment(shared: Interpreter) -> None:
    assert shared.run("open('a', 'w').write('x'); open('a').read()").value == "'x'"
    assert shared.run("import os; os.getcwd()").value == repr(shared.directory)
    variables = shared.run("sorted(os.environ)").value
    assert variables is not None
    assert set(eval(variables)) <= {
        "HOME", "TMPDIR", "MPLCONFIGDIR", "MPLBACKEND", "PATH", "LANG", "LC_CTYPE",
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    }  # fmt: skip


def test_threads_and_what_the_code_does_to_its_output_are_its_own(shared: Interpreter) -> None:
    assert shared.run("import threading; t = threading.Thread(target=print, args=(1,)); t.start(); t.join()").output
    assert shared.run("import os; n = os.write(1, b'raw\\n')").output == "raw\n"
    assert "EOFError" in (shared.run("input()").error or "")


# What it cannot do


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.fork()",
        "import subprocess; subprocess.run(['ls'])",
        "import os; os.system('ls') and 1/0 or 1/0",
        "import multiprocessing; multiprocessing.Process(target=print).start()",
        "open('/etc/passwd')",
        "import os; os.listdir('/')",
        "open('/proc/1/environ')",
        "import socket; socket.create_connection(('127.0.0.1', {port}))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/')",
        "import asyncio; asyncio.run(asyncio.open_connection('127.0.0.1', {port}))",
        "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '/dev/log')",
        "import os; os.kill({pid}, 9); 1/0",
        "open({outside!r}, 'w')",
        "import os; os.remove({outside!r})",
        "import os; os.chmod({outside!r}, 0)",
        "import os; os.symlink({outside!r}, 'l'); open('l', 'a')",
        "import os; os.rename({outside!r}, 'm')",
        "import os; os.truncate({outside!r}, 0)",
        "import shutil; shutil.rmtree({folder!r})",
        "bytearray(2 << 30)",
        "open('big', 'wb').write(bytes(2 << 20))",
        "[open('a%d' % i, 'w') for i in range(1000)].clear() or [open(f'{{i}}', 'w') for i in range(1000)]",
    ],
)
def test_what_reaches_outside_is_an_error_and_no_more(shared: Interpreter, tmp_path: Path, code: str) -> None:
    outside = tmp_path / "kept"
    outside.write_text("kept")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        filled = code.format(port=port, pid=os.getpid(), outside=str(outside), folder=str(tmp_path))
        error = shared.run(filled).error
        assert error is not None
        with pytest.raises(BlockingIOError):
            server.accept()
    assert outside.read_text() == "kept"
    assert outside.stat().st_mode & 0o600
    assert shared.run("gone = None; import gc; gc.collect(); kept_alive = 1; kept_alive").value == "1"


def test_an_endless_run_is_ended_in_time() -> None:
    began = time.monotonic()
    said = ended(Interpreter(PythonSettings(seconds=1)), "print('before', flush=True)\nwhile True: pass", ToolTimedOut)
    assert "it did not end within 1 seconds" in said
    assert "it had printed: before" in said
    assert time.monotonic() - began < 10


def test_a_bomb_of_threads_is_bounded(own: Interpreter) -> None:
    code = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    try:
        assert "Error" in (own.run(code).error or "")
    except ToolError as error:
        assert "variables are gone" in str(error)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os; os._exit(3)", "exit status 3"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("while True: print('x' * 10_000)", "it printed more than 67,108,864 bytes"),
        ("n = 0\nwhile True:\n  n += 1\n  open(str(n), 'wb').write(bytes(1 << 20))", "it wrote more than 4,194,304"),
        ("n = 0\nwhile True:\n  n += 1\n  open(str(n), 'wb')", "or too many files"),
        ("import os\nwhile True:\n  os.mkdir('d'); os.chdir('d')", "or too many files"),
        ("import os; os.closerange(0, 100)", "the interpreter ended"),
        (FORGED.format("'{}\\n'"), "answer is none"),
        (FORGED.format("'[' * 60000 + '\\n'"), "answer is none"),
        (FORGED.format("'x' * (40 << 20)"), "answer is none"),
        (
            "import os\nfor n in range(3, 128):\n  try:\n    while True: os.write(n, bytes(65536))\n"
            "  except OSError: pass",
            "the interpreter ended",
        ),
    ],
)
def test_code_that_ends_or_floods_the_process_is_told(own: Interpreter, code: str, why: str) -> None:
    assert why in ended(own, code)


def test_processor_time_is_bounded_over_its_life() -> None:
    interpreter = Interpreter(PythonSettings(seconds=30, cpu_seconds=1))
    assert "processor time" in ended(interpreter, "while True: pass")


# How it ends


def test_killing_it_ends_a_run_at_once(own: Interpreter) -> None:
    began = time.monotonic()
    threading.Timer(0.3, own.kill).start()
    assert "SIGKILL" in ended(own, "import time; time.sleep(99)")
    assert time.monotonic() - began < 3
    own.kill()


def test_closing_leaves_no_process_and_no_files() -> None:
    interpreter = Interpreter(SMALL)
    interpreter.run("open('a', 'w').close()")
    processes = family(interpreter)
    interpreter.close()
    interpreter.close()
    assert gone(processes)
    assert not os.path.exists(interpreter.directory)


def test_one_that_is_forgotten_is_ended() -> None:
    interpreter = Interpreter(SMALL)
    processes, directory = family(interpreter), interpreter.directory
    del interpreter
    gc.collect()
    assert gone(processes)
    assert not os.path.exists(directory)


def test_its_owner_may_have_many_files_open(tmp_path: Path) -> None:
    opened = [os.open(tmp_path, os.O_RDONLY) for _ in range(1100)]
    try:
        interpreter = Interpreter(SMALL)
        assert interpreter.run("6 * 7").value == "42"
        interpreter.close()
    finally:
        for each in opened:
            os.close(each)


def test_it_does_not_outlive_its_owner() -> None:
    code = f"""import sys; sys.path.insert(0, {str(SRC)!r})
import threading
from duihua.tools.interpreter import Interpreter
interpreter = Interpreter()
threading.Thread(target=interpreter.run, args=("import time; time.sleep(999)",), daemon=True).start()
print(interpreter._process.pid, interpreter.directory, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-I", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        number, directory = owner.stdout.readline().split()
        watcher = psutil.Process(int(number))
        processes = [watcher, *watcher.children()]
        owner.send_signal(signal.SIGKILL)
    assert gone(processes)
    assert not os.path.exists(directory)


# Where it cannot be shut in


def test_a_system_without_landlock_is_refused_by_name_unless_that_is_accepted() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SRC)!r})"
        + WITHOUT
        + """
from duihua.errors import UnsupportedFeature
from duihua.tools.interpreter import Interpreter, PythonSettings
without(444)
try:
    Interpreter()
except UnsupportedFeature as error:
    print(error)
accepted = Interpreter(PythonSettings(unprotected=["files"]))
print(sorted(accepted.protections), accepted.run("6 * 7").value)
accepted.close()
"""
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    refused, accepted = done.stdout.splitlines()
    assert "cannot keep it from files" in refused
    assert "unprotected=['files']" in refused
    assert accepted == "['network', 'processes'] 42"


def test_without_namespaces_everything_holds_all_the_same() -> None:
    interpreter = Interpreter(PythonSettings(namespaces=False))
    assert interpreter.protections == {"files", "network", "processes"}
    assert "PermissionError" in (interpreter.run(f"import os; os.kill({os.getpid()}, 0)").error or "")
    assert "PermissionError" in (interpreter.run("import os; os.kill(os.getppid(), 9)").error or "")
    interpreter.close()


def test_what_need_not_be_kept_is_named_rightly() -> None:
    with pytest.raises(ConfigError, match="name some of"):
        PythonSettings(unprotected=["everything"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def test_code_too_long_is_refused_and_the_process_lives(shared: Interpreter) -> None:
    with pytest.raises(ToolFailed, match="write less at once"):
        shared.run("x = 1\n" * 20_000)
    assert shared.run("1").value == "1"
