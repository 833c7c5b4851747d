"""The servers that are compared: how each is started, what its engine runs with, what its processes take."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from load import MODEL_NAME

from duihua.engine.settings import EngineSettings

__all__ = ["Command", "Cpu", "Server", "duihua_command", "ending_on_sigterm", "vllm_command"]

_HERE: Final = Path(__file__).parent
_PLUGIN: Final = "duihua_bench"  # not settings_plugin: that one stands beside the script that starts vLLM
_ENGINE_TITLES: Final = ("VLLM::EngineCore", "VLLM::Worker")  # vllm/utils/system_utils.py, set_process_title
_EVERY_S: Final = 0.1  # between two looks whether a server is ready
_END_S: Final = 20.0  # for a server to end when it is told to
# Settings of ours that are flags of `duihua serve`; those that are None are not said.
_OUR_FLAGS: Final = (
    "dtype",
    "context_window",
    "max_sequences",
    "kv_capacity",
    "gpu_memory_share",
    "tensor_parallel_size",
    "eager",
    "prefix_caching",
    "chunked_prefill",
)
_NOT_THEIRS: Final = ("model", "skip_tokenizer_init")  # given first; and the other side makes the text itself

# vLLM 0.26's Rust front ends when it is told this; a made-up checkpoint's file says nothing but its stop tokens.
_NOT_RUSTS: Final = ("generation_config",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a server is started."""

    words: tuple[str, ...]  # "--host" and "--port" are added
    ready: str  # the path that answers 200 when it can
    environment: Mapping[str, str]


def duihua_command(model: str, engine: EngineSettings, more: Sequence[str], *, name: str = "vllm") -> Command:
    """Ours.

    Args:
        model: directory, or a bundled name.
        engine: how it runs; only what `duihua serve` has flags for.
        more: further flags.
        name: of the engine.
    """
    words = [sys.executable, "-m", "duihua", "serve", model, "--engine", name, "--served-name", MODEL_NAME]
    return Command(words=(*words, *_engine_flags(engine), *more), ready="/ready", environment={})


def _engine_flags(engine: EngineSettings) -> list[str]:
    """Settings as flags of `duihua serve`."""
    said = _flags({name: getattr(engine, name) for name in _OUR_FLAGS})
    for name, value in engine.engine_args.items():
        said += ["--engine-arg", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return said


def vllm_command(model: Path, engine: EngineSettings, more: Sequence[str] = (), *, rust: Path | None = None) -> Command:
    """The vLLM side, with the very arguments that our engine makes of the settings.

    Args:
        model: directory.
        engine: how it runs.
        more: further flags, `("--api-server-count", "4")`.
        rust: the binary of vLLM's Rust front, which then answers.
    """
    from duihua.engine.vllm.options import engine_args

    args: dict[str, Any] = engine_args(model, engine)
    left_out = (*_NOT_THEIRS, *(_NOT_RUSTS if rust is not None else ()))
    flags = _flags({name: value for name, value in args.items() if name not in left_out})
    words = [sys.executable, str(_HERE / "vllm_serve.py"), str(model), "--served-model-name", MODEL_NAME]
    environment = {"VLLM_NO_USAGE_STATS": "1", "VLLM_WORKER_MULTIPROC_METHOD": "spawn"}
    if rust is not None:
        environment |= {"VLLM_USE_RUST_FRONTEND": "1", "VLLM_RUST_FRONTEND_PATH": str(rust.absolute())}
    return Command(words=(*words, *flags, *more), ready="/health", environment=environment)


def _flags(values: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            words += [f"--{flag}", str(value) if isinstance(value, str | int | float) else json.dumps(value)]
    return words


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time of a server's processes, since they began."""

    front_s: Mapping[int, float]  # by process id: all that is neither vLLM's engine nor a worker of it
    engine_s: Mapping[int, float]

    def since(self, before: Cpu) -> tuple[float, float]:
        """What the front's and the engine's processes took since then."""
        pairs = ((self.front_s, before.front_s), (self.engine_s, before.engine_s))
        front, engine = (sum(now[pid] - old.get(pid, 0.0) for pid in now) for now, old in pairs)
        return front, engine


class Server:
    """A server in processes of its own, until `close`."""

    def __init__(self, name: str, command: Command, logs: Path) -> None:
        """Start it; it is not ready yet.

        Args:
            name: for people, and of its files.
            command: see `Command`.
            logs: a directory for what it prints and for what its engine says of its settings.
        """
        self.name, self.port = name, _free_port()
        self._ready = command.ready
        self._told = _plugin(Path(tempfile.mkdtemp(prefix=f"settings-{name}-", dir=logs)))
        self.log = logs / f"server-{name}.log"
        path = os.pathsep.join(filter(None, (str(self._told), os.environ.get("PYTHONPATH"))))  # noqa: TID251
        environment = {**os.environ, **command.environment, "PYTHONPATH": path}  # noqa: TID251
        words = [*command.words, "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("wb") as log:
            log.write(f"{' '.join(words)}\n".encode())
            log.flush()
            # A group of its own, for Ctrl-C; but our session, among whose members Linux shares the processors out.
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, process_group=0
            )

    def wait(self, patience_s: float) -> None:
        """Until it can answer.

        Raises:
            SystemExit: it ended, or that took too long; with the end of its log.
        """
        until = time.monotonic() + patience_s
        while self.status(self._ready) != 200:
            if self._process.poll() is not None or time.monotonic() > until:
                self.fail("did not start")
            time.sleep(_EVERY_S)

    def status(self, path: str) -> int | None:
        """The status that a GET of a path is answered with; None where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def fail(self, what: str) -> None:
        """End the program.

        Raises:
            SystemExit: always; with the end of the server's log.
        """
        lines = self.log.read_text("utf-8", "replace").splitlines()
        raise SystemExit("\n".join([f"the server {self.name!r} {what}; the end of its log:", *lines[-40:]]))

    def settings(self) -> dict[str, str]:
        """What its engine runs with, by the settings' last names.

        Raises:
            SystemExit: its engine has not said it.
        """
        told = [json.loads(file.read_text("utf-8")) for file in self._told.glob("settings-*.json")]
        if not told or any(other != told[0] for other in told):  # one for each engine, if it runs several
            self.fail(f"has {len(told)} engines that told their settings, or they differ")
        return told[0]

    def cpu(self) -> Cpu:
        """What its processes have taken so far."""
        front: dict[int, float] = {}
        engine: dict[int, float] = {}
        for process in _tree(self._process.pid):  # parents come before their children
            with suppress(psutil.Error):
                is_engine = process.ppid() in engine or "".join(process.cmdline()[:1]).startswith(_ENGINE_TITLES)
                times = process.cpu_times()
                (engine if is_engine else front)[process.pid] = times.user + times.system
        return Cpu(front, engine)

    def processes(self) -> str:
        """Its processes for people, by their role."""
        cpu = self.cpu()
        return "; ".join(
            f"{role}: {', '.join(_title(pid) for pid in found)}"
            for role, found in (("front", cpu.front_s), ("engine", cpu.engine_s))
        )

    def memory(self) -> int:
        """Bytes of memory that its processes hold, all together."""
        total = 0
        for process in _tree(self._process.pid):
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def close(self) -> None:
        """End it and all that it started."""
        tree = _tree(self._process.pid)
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        for process in tree:
            with suppress(psutil.Error):
                process.kill()
        self._process.wait()


def ending_on_sigterm() -> None:
    """Have SIGTERM end this program by way of its `finally`, so that no server stays behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def _plugin(directory: Path) -> Path:
    """A directory that, on the path, makes vLLM load `settings_plugin`, which writes into it."""
    about = directory / f"{_PLUGIN}-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_PLUGIN}\nVersion: 0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(
        f"[vllm.general_plugins]\n{_PLUGIN} = {_PLUGIN}:register\n", encoding="utf-8"
    )
    text = (_HERE / "settings_plugin.py").read_text("utf-8")
    (directory / f"{_PLUGIN}.py").write_text(text, encoding="utf-8")
    return directory


def _tree(pid: int) -> list[psutil.Process]:
    """A process and all below it; none where it has gone."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _title(pid: int) -> str:
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return "gone"
    return " ".join(Path(word).name if "/" in word else word for word in words[:4])[:60]
