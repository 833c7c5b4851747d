"""The launcher on real processes; they are small ones of our own here."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.spawn
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from duihua.engine.vllm.processes import Children, import_quietly, starting, usable_log
from engine.vllm.stage import family_of


def sleep_with_a_child(ready: object) -> None:
    """What an engine process does, less the engine: it starts a worker, and says where it is."""
    print("said by a child", flush=True)  # noqa: T201
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    ready.put((os.getpid(), os.getpgid(0), os.getsid(0), worker.pid))  # type: ignore[attr-defined]
    worker.wait()


def start(log: Path) -> tuple[Children, int, int]:
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    with starting(log) as children:
        context.Process(target=sleep_with_a_child, args=(ready,), daemon=True).start()
        leader, group, session, worker = ready.get(timeout=60)
    assert leader == group
    assert session == os.getsid(0)  # in another it would keep ours from the CPU, see `launch`
    assert children.process_ids == [leader]
    return children, leader, worker


def test_a_process_leads_its_group_and_writes_into_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "engine.log"
    children, leader, worker = start(log)
    try:
        assert "said by a child" in log.read_text("utf-8")
        assert "said by a child" not in "".join(capfd.readouterr())
        assert worker in [process.pid for process in family_of([leader])]
    finally:
        children.kill()
    assert not family_of([leader])


def test_an_engine_that_starts_again_logs_each_message_once(tmp_path: Path) -> None:
    log, logger = tmp_path / "engine.log", logging.getLogger("vllm")
    before = list(logger.handlers)
    try:
        import_quietly(log)
        import_quietly(log)
        logger.error("said once")
    finally:
        for handler in [each for each in logger.handlers if each not in before]:
            logger.removeHandler(handler)
            handler.close()
    assert log.read_text("utf-8").count("said once") == 1


def test_what_was_set_for_a_start_is_as_before(tmp_path: Path) -> None:
    before = multiprocessing.spawn.get_executable(), dict(os.environ), sys.modules["__main__"].__spec__
    with starting(tmp_path / "engine.log"):
        assert multiprocessing.spawn.get_executable() != before[0]
        assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    after = multiprocessing.spawn.get_executable(), dict(os.environ), sys.modules["__main__"].__spec__
    assert after == before
    assert [file.name for file in tmp_path.iterdir()] == []


def test_what_the_user_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_NO_USAGE_STATS", "0")
    with starting(tmp_path / "engine.log"):
        assert os.environ["VLLM_NO_USAGE_STATS"] == "0"
    assert os.environ["VLLM_NO_USAGE_STATS"] == "0"


def test_a_killed_leader_takes_its_workers_along(tmp_path: Path) -> None:
    children, leader, worker = start(tmp_path / "engine.log")
    workers = [process for process in family_of([leader]) if process.pid == worker]
    os.kill(leader, signal.SIGKILL)
    gone, _ = psutil.wait_procs(workers, timeout=10)
    assert [process.pid for process in gone] == [worker]
    children.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_outlives_us_however_we_end(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "parent.py"  # without a guard for __main__, as people write them
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            sys.path.insert(0, {str(Path(__file__).parents[2])!r})
            from pathlib import Path
            from engine.vllm.test_processes import start
            print(*start(Path({str(tmp_path / "engine.log")!r}))[1:], flush=True)
            sys.stdin.read()
            """
        ),
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        leader = int(parent.stdout.readline().split()[0])
        family = family_of([leader])
        assert len(family) == 3
        parent.send_signal(number)
        _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


def test_a_log_that_cannot_be_written_is_put_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = usable_log(tmp_path / "file" / "engine.log")
    try:
        assert log.is_file()
        assert log.parent != tmp_path / "file"
    finally:
        log.unlink()


def test_a_log_is_made_with_its_directory(tmp_path: Path) -> None:
    wanted = tmp_path / "logs" / "engine.log"
    assert usable_log(wanted) == wanted
    assert wanted.is_file()


def test_logs_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(30):
        old = tmp_path / f"engine-old{number}.log"
        old.touch()
        os.utime(old, (number, number))
    (tmp_path / "mine.txt").touch()
    usable_log(tmp_path / f"engine-{os.getpid()}.log")
    kept = {file.name for file in tmp_path.iterdir()}
    assert kept == {*(f"engine-old{n}.log" for n in range(21, 30)), f"engine-{os.getpid()}.log", "mine.txt"}
