"""vLLM's processes: how they are started, where their output goes, and that they end."""

from __future__ import annotations

import json
import logging
import multiprocessing
import multiprocessing.spawn
import os
import shlex
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from duihua.engine.vllm import launch

__all__ = ["Children", "import_quietly", "starting", "usable_log"]

# What vLLM reads, in our process and in its own (vllm/envs.py, 0.26 to 0.33); what the user has set stays.
_ENVIRONMENT: Final = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}
_FORMAT: Final = "(pid=%(process)d) %(levelname)s %(asctime)s %(name)s: %(message)s"
_LOGS_KEPT: Final = 9
_one_at_a_time: Final = threading.Lock()


def usable_log(wanted: Path | None) -> Path:
    """The log file, its directory made; a temporary one where that cannot be written.

    Beside one that is named after this process, as ours are, the oldest of others like it are removed.
    """
    if wanted is not None:
        with suppress(OSError):
            wanted.parent.mkdir(parents=True, exist_ok=True)
            if str(os.getpid()) in wanted.stem:
                _remove_oldest(wanted)
            wanted.open("ab").close()
            return wanted
    handle, name = tempfile.mkstemp(prefix="duihua-engine-", suffix=".log")
    os.close(handle)
    return Path(name)


def _remove_oldest(log: Path) -> None:
    like = log.parent.glob(log.name.replace(str(os.getpid()), "*"))
    for old in sorted(like, key=lambda file: file.stat().st_mtime)[:-_LOGS_KEPT]:
        old.unlink(missing_ok=True)


def import_quietly(log: Path) -> None:
    """Import vLLM with its messages going to the log, not to the terminal."""
    logger = logging.getLogger("vllm")
    written = [each.baseFilename for each in logger.handlers if isinstance(each, logging.FileHandler)]
    if str(log.absolute()) not in written:  # an engine that starts again has it
        handler = logging.FileHandler(log, encoding="utf-8")
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)  # until vLLM reads its configuration, late in its import
    logger.propagate = False
    with _logging_to(log), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations among its own libraries
        import vllm.v1.engine.async_llm  # noqa: F401  # pyright: ignore[reportUnusedImport]


@contextmanager
def starting(log: Path) -> Generator[Children]:
    """Inside it, processes that are started with `multiprocessing` go through `launch`; gives those of vLLM.

    One engine at a time starts. A script that lacks `if __name__ == "__main__":` is not run again in them: nothing
    of the main module is needed there.
    """
    with _one_at_a_time, _logging_to(log), _launching(log), _without_main(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        children = Children(before=set(multiprocessing.active_children()))
        try:
            yield children
        finally:
            children.adopt_new()


@contextmanager
def _logging_to(log: Path) -> Generator[None]:
    """What vLLM reads of the environment, here and in its processes, says that it shall log to this file."""
    described = log.with_suffix(".json")
    handler = {"class": "logging.FileHandler", "filename": str(log), "formatter": "plain", "encoding": "utf-8"}
    logger = {"handlers": ["file"], "level": "INFO", "propagate": False}
    described.write_text(
        json.dumps(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"plain": {"format": _FORMAT}},
                "handlers": {"file": handler},
                "loggers": {"vllm": logger},
            }
        ),
        encoding="utf-8",
    )
    try:
        with _environment({**_ENVIRONMENT, "VLLM_LOGGING_CONFIG_PATH": str(described)}):
            yield
    finally:
        described.unlink(missing_ok=True)


@contextmanager
def _launching(log: Path) -> Generator[None]:
    """The program that `multiprocessing` starts is `launch`, by way of a script: it must be a single path."""
    script, executable = log.with_suffix(".sh"), multiprocessing.spawn.get_executable()
    program = (sys.executable, "-I", "-S", launch.__file__, str(log), str(os.getpid()))
    script.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n', encoding="utf-8")
    script.chmod(0o700)
    multiprocessing.spawn.set_executable(str(script))
    try:
        yield
    finally:
        multiprocessing.spawn.set_executable(executable)
        script.unlink(missing_ok=True)


class Children:
    """The processes of one engine, each the leader of its process group."""

    def __init__(self, *, before: set[BaseProcess]) -> None:
        """Know which processes belong to others."""
        self._others = before
        self._processes: set[BaseProcess] = set()

    def __bool__(self) -> bool:
        """Whether there were any."""
        return bool(self._processes)

    @property
    def process_ids(self) -> list[int]:
        """Of those that live."""
        return [process.pid for process in self._processes if process.pid is not None and process.is_alive()]

    def adopt_new(self) -> None:
        """Be responsible for those that have been started since."""
        self._processes |= set(multiprocessing.active_children()) - self._others

    def kill(self) -> None:
        """End them and whatever they started, at once."""
        for process in self._processes:
            if process.pid is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                with suppress(ValueError, AssertionError):
                    process.join(1)


@contextmanager
def _environment(values: dict[str, str]) -> Generator[None]:
    """Variables for a while; those that are set stay as they are."""
    missing = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


@contextmanager
def _without_main() -> Generator[None]:
    """Hide where the main module came from: `spawn` would import it again (multiprocessing.spawn's preparation)."""
    main = vars(sys.modules["__main__"])
    hidden = {name: main[name] for name in ("__spec__", "__file__") if name in main}
    main["__spec__"] = None
    main.pop("__file__", None)  # None would not do: `inspect.getmodule` stumbles over it
    try:
        yield
    finally:
        main.update(hidden)
