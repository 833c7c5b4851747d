"""What the machine has that needs no tensor library to be seen: processor, memory, shared memory, disks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Cpu", "Disk", "Memory", "disk_of", "processor", "system_memory", "temporary_disk"]

_NO_LIMIT: Final = 2**60  # bytes; a control group without a limit says "max", or a number near 2**63
# What matters to the speed of a model on a CPU: the kernel's names for it, and ours.
_FEATURES: Final = (("avx2", "avx2"), ("avx512f", "avx512"), ("avx512_bf16", "bf16"), ("amx_bf16", "amx"))
_ARM_FEATURES: Final = (("asimd", "neon"), ("bf16", "bf16"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """The processor, as this process may use it."""

    cores: int  # that this process may run on
    features: tuple[str, ...]  # of "avx2", "avx512", "bf16", "amx", "neon"; empty where they cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Main memory, as this process may use it."""

    total_bytes: int | None  # of the machine, or of the container where that is less; None: unknown
    available_bytes: int | None  # before something must be given up
    is_limited: bool = False  # a control group (a container's limit) bounds it, not the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system, by a directory on it."""

    path: Path
    total_bytes: int
    free_bytes: int
    is_writable: bool


def processor(root: Path = Path("/")) -> Cpu:
    """The processor; `root` holds proc/ and sys/, for tests."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    text = _text(root / "proc/cpuinfo")
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = found[1].split() if found else []
    names = [ours for theirs, ours in (*_FEATURES, *_ARM_FEATURES) if theirs in flags]
    return Cpu(cores=max(1, min(cores, _cpu_quota(root) or cores)), features=tuple(dict.fromkeys(names)))


def system_memory(root: Path = Path("/")) -> Memory:
    """Main memory and what is left of it; the tightest control group above this process counts too."""
    values = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", _text(root / "proc/meminfo"), re.MULTILINE))
    total = int(values["MemTotal"]) * 1024 if "MemTotal" in values else _physical_bytes()
    available = int(values["MemAvailable"]) * 1024 if "MemAvailable" in values else None
    limits = list(_limits(root))
    left = min((max(0, limit - used) for limit, used in limits), default=None)
    limit = min((limit for limit, _ in limits), default=None)
    is_limited = limit is not None and (total is None or limit < total)
    return Memory(
        total_bytes=limit if is_limited else total,
        available_bytes=min((size for size in (available, left) if size is not None), default=None),
        is_limited=is_limited,
    )


def disk_of(path: Path) -> Disk | None:
    """The file system that a directory is on, or would be; None where that cannot be told."""
    there = next((place for place in (path, *path.parents) if os.path.isdir(place)), None)
    if there is None:
        return None
    try:
        usage = shutil.disk_usage(there)
    except OSError:
        return None
    is_writable = os.access(there, os.W_OK | os.X_OK)
    return Disk(path=path, total_bytes=usage.total, free_bytes=usage.free, is_writable=is_writable)


def temporary_disk() -> Disk | None:
    """The file system of temporary files; None where no directory for them can be written."""
    try:
        return disk_of(Path(tempfile.gettempdir()))
    except OSError:
        return None


def _physical_bytes() -> int | None:
    if platform.system() == "Windows":
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, bytes in use that cannot be given back) of each control group that bounds this process's memory.

    Source: the kernel's admin-guide, cgroup-v2.rst (memory.max, memory.current, memory.stat) and
    cgroup-v1/memory.rst. Pages of files that nothing has touched lately are given back when others want them.
    """
    names = ("memory.max", "memory.current", "inactive_file")
    old_names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    for folder, (limit_name, used_name, idle_name) in (
        *((folder, names) for folder in _groups(root, "", "sys/fs/cgroup")),
        *((folder, old_names) for folder in _groups(root, "memory", "sys/fs/cgroup/memory")),
    ):
        limit, used = _whole(folder / limit_name), _whole(folder / used_name)
        if limit is None or used is None or limit >= _NO_LIMIT:
            continue
        idle = re.search(rf"^{idle_name} (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
        yield limit, max(0, used - (int(idle[1]) if idle else 0))


def _cpu_quota(root: Path) -> int | None:
    """Whole cores that control groups grant, rounded up."""
    granted: list[int] = []
    for folder in _groups(root, "", "sys/fs/cgroup"):
        quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            granted.append(-(-int(quota) // int(period)))
    for folder in _groups(root, "cpu", "sys/fs/cgroup/cpu"):
        quota, period = _whole(folder / "cpu.cfs_quota_us"), _whole(folder / "cpu.cfs_period_us")
        if quota is not None and period:  # -1, no quota, is no whole number here
            granted.append(-(-quota // period))
    return min(granted, default=None)


def _groups(root: Path, controller: str, mount: str) -> list[Path]:
    """Folders of the control groups this process is in, innermost first; inside a container its own is the mount."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            inside = Path(path.lstrip("/"))
            return [root / mount / part for part in (inside, *inside.parents)]
    return []


def _whole(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdigit() else None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return ""
