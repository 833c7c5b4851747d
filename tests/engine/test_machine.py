import os
from pathlib import Path

import pytest

from duihua.engine.machine import disk_of, processor, system_memory, temporary_disk

GIB = 2**30
MEMINFO = f"MemTotal:       {32 * GIB // 1024} kB\nMemFree: 1 kB\nMemAvailable:   {20 * GIB // 1024} kB\n"


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_machine_without_limits_has_what_the_kernel_says(tmp_path: Path) -> None:
    memory = system_memory(machine(tmp_path, {"proc/meminfo": MEMINFO}))
    assert (memory.total_bytes, memory.available_bytes, memory.is_limited) == (32 * GIB, 20 * GIB, False)


def test_a_container_has_what_its_control_group_leaves(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{5 * GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 7\ninactive_file {2 * GIB}\n",  # the kernel takes it back when asked
        },
    )
    memory = system_memory(root)
    assert (memory.total_bytes, memory.available_bytes, memory.is_limited) == (8 * GIB, 5 * GIB, True)


def test_a_limit_of_a_group_further_up_counts(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/user/job\n",
            "sys/fs/cgroup/user/job/memory.max": "max\n",
            "sys/fs/cgroup/user/job/memory.current": "1\n",
            "sys/fs/cgroup/user/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/user/memory.current": f"{GIB}\n",
        },
    )
    assert system_memory(root).available_bytes == 3 * GIB


@pytest.mark.parametrize(
    ("limit", "available"), [(6 * GIB, 4 * GIB), (9223372036854771712, 20 * GIB)], ids=["limited", "unlimited"]
)
def test_the_first_version_of_control_groups_is_read(tmp_path: Path, limit: int, available: int) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "9:name=systemd:/\n4:memory:/box/1\n0::/\n",
            "sys/fs/cgroup/memory/box/1/memory.limit_in_bytes": f"{limit}\n",
            "sys/fs/cgroup/memory/box/1/memory.usage_in_bytes": f"{3 * GIB}\n",
            "sys/fs/cgroup/memory/box/1/memory.stat": f"total_inactive_file {GIB}\n",
        },
    )
    assert system_memory(root).available_bytes == available


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    memory = system_memory(tmp_path)
    assert memory.available_bytes is None
    assert not memory.is_limited
    assert processor(tmp_path).features == ()


def test_this_machine_is_seen() -> None:
    memory, cpu = system_memory(), processor()
    assert memory.total_bytes is not None
    assert memory.total_bytes > (memory.available_bytes or 0)
    assert 1 <= cpu.cores <= (os.cpu_count() or 1)


def test_the_processor_is_known_by_the_kernel_s_flags(tmp_path: Path) -> None:
    root = machine(tmp_path, {"proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16\n"})
    assert processor(root).features == ("avx2", "avx512", "bf16", "amx")


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"},
        {
            "proc/self/cgroup": "3:cpuacct,cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    ],
    ids=["second version", "first version"],
)
def test_a_quota_of_processor_time_bounds_the_cores(tmp_path: Path, files: dict[str, str]) -> None:
    assert processor(machine(tmp_path, files)).cores == 1


@pytest.mark.parametrize("quota", ["max 100000\n", ""])
def test_no_quota_leaves_all_cores(tmp_path: Path, quota: str) -> None:
    root = machine(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota})
    assert processor(root).cores == processor(tmp_path / "empty").cores


def test_a_directory_that_is_not_there_yet_is_on_the_disk_of_what_is_above_it(tmp_path: Path) -> None:
    disk = disk_of(tmp_path / "cache" / "hub")
    above = disk_of(tmp_path)
    assert disk is not None
    assert above is not None
    assert disk.total_bytes == above.total_bytes
    assert disk.is_writable
    assert disk.path == tmp_path / "cache" / "hub"


def test_the_disk_of_temporary_files_is_found() -> None:
    disk = temporary_disk()
    assert disk is not None
    assert 0 < disk.free_bytes <= disk.total_bytes
