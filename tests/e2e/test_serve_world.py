"""`duihua serve` in a world that breaks its promises, and with settings that cannot be."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import Any, Final

import psutil
import pytest

from duihua.errors import ConfigError
from duihua.server.address import bound_sockets
from duihua.server.settings import ServeSettings
from e2e.served import Served, asked, eventually, free_port, request_of
from terminal.person import environment

HEALTH: Final = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two certificates of localhost, a.pem and b.pem, with their keys; c.key has a passphrase."""
    if which("openssl") is None:
        pytest.skip("needs openssl")
    home = tmp_path_factory.mktemp("pems")
    for name, secret in (("a", ("-nodes",)), ("b", ("-nodes",)), ("c", ("-passout", "pass:secret"))):
        kind = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2")
        names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        files = ("-keyout", str(home / f"{name}.key"), "-out", str(home / f"{name}.pem"))
        subprocess.run(["openssl", *kind, *names, *files, *secret], check=True, capture_output=True)
    (home / "junk").write_text("this is no certificate")
    (home / "keys").write_text("# of the tests\nopen-sesame\n")
    return home


def test_https_with_keys_and_a_log_of_json(pems: Path, tmp_path: Path) -> None:
    tls = ("--tls-cert", str(pems / "a.pem"), "--tls-key", str(pems / "a.key"), "--api-key-file", str(pems / "keys"))
    context = ssl.create_default_context(cafile=str(pems / "a.pem"))
    with Served(tmp_path, *tls, "--log-format", "json").listening() as served:
        assert f"serving at https://127.0.0.1:{served.port}/v1" in served.log
        connection = http.client.HTTPSConnection("localhost", served.port, context=context, timeout=60)
        for key, status in (("open-sesame", 200), ("open-barley", 401)):
            kind = {"content-type": "application/json", "authorization": f"Bearer {key}"}
            connection.request("POST", "/v1/chat/completions", asked(max_tokens=2), kind)
            reply = connection.getresponse()
            assert (reply.status, reply.read()[:1]) == (status, b"{")
        connection.close()
        assert served.said(HEALTH + b"\r\n") == b""  # no TLS
        served.said(random.Random(1).randbytes(300))
        with served.socket(), context.wrap_socket(served.socket(), server_hostname="localhost") as wire:
            wire.sendall(request_of(asked(stream=True), "Authorization: Bearer open-sesame"))
            wire.recv(12)
        with served.socket():  # one that never begins its handshake
            served.tell(signal.SIGTERM)
            assert served.exit_code() == 0
        rows = [json.loads(line) for line in served.log.splitlines()]  # every line that it writes, from the first
    assert [row["level"] for row in rows] == ["info"] * len(rows)
    assert [row["status"] for row in rows if "route" in row] == [200, 401, 200]
    assert "Tell me a story." not in served.log
    assert "open-" not in served.log


def answers_soon(served: Served) -> bool:
    assert served.process.poll() is None
    with suppress(OSError):
        return served.answers()
    return False


def test_a_full_disk_ends_no_server(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with Path("/dev/full").open("wb") as full, Served(tmp_path, "--port", str(free_port()), stderr=full) as served:
        eventually(lambda: answers_soon(served), within_s=100)
        before = psutil.Process(served.process.pid).memory_info().rss
        for _ in range(500):
            assert served.get("/nowhere")[0] == 404
        assert psutil.Process(served.process.pid).memory_info().rss - before < 8 << 20
        served.tell(signal.SIGTERM)
        assert served.exit_code() == 0


@pytest.mark.slow
def test_a_reader_of_the_log_that_leaves_ends_no_server(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with Served(tmp_path, "--port", str(free_port()), stderr=writing) as served:
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        eventually(lambda: answers_soon(served), within_s=100)
        assert served.get("/nowhere")[0] == 404
        served.tell(signal.SIGTERM)
        assert served.exit_code() == 0


@pytest.mark.slow
def test_a_closed_stderr_ends_no_server_and_no_connection_takes_its_place(tmp_path: Path) -> None:
    served = Served.__new__(Served)
    served.port, served.log_file = free_port(), tmp_path / "log"
    flags = f"serve demo --engine transformers --port {served.port}"
    served.process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {sys.executable} -m duihua {flags} 2>&-"], env=environment(tmp_path)
    )
    with served:
        eventually(lambda: answers_soon(served), within_s=100)
        assert served.get("/nowhere")[0] == 404
        assert Path(f"/proc/{served.process.pid}/fd/2").resolve() == Path(os.devnull)
        served.tell(signal.SIGTERM)
        assert served.exit_code() == 0


@pytest.mark.slow
def test_no_wait_has_to_have_an_end(tmp_path: Path) -> None:
    waits = ("deadline", "keep-alive", "ping", "drain")
    flags = [word for wait in waits for word in (f"--{wait}-seconds", "inf")]
    with Served(tmp_path, *flags).listening() as served:
        assert served.answers()
        stream = served.stream(max_tokens=20)
        served.tell(signal.SIGTERM)
        assert stream.end()[1] == "[DONE]"
        assert served.exit_code() == 0
        assert "Traceback" not in served.log


def test_an_address_that_is_taken_is_said_before_a_model_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "duihua", "serve", "no/such/model", "--port", str(port)],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"duihua: cannot listen at 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"host": "nowhere.invalid"}, "no address of this machine"),
        ({"host": "x" * 300}, "no address of this machine"),
        ({"host": "192.0.2.1"}, "cannot listen at 192.0.2.1:8000"),
        ({"port": 65_536}, "65535"),
        ({"tls_cert": "a.pem", "tls_key": "b.key"}, "without a passphrase"),
        ({"tls_cert": "c.pem", "tls_key": "c.key"}, "without a passphrase"),
        ({"tls_cert": "junk", "tls_key": "a.key"}, "without a passphrase"),
    ],
)
def test_what_cannot_be_listened_at_is_refused_with_the_reason(
    pems: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], word: str
) -> None:
    monkeypatch.chdir(pems)
    with pytest.raises(ConfigError, match=word):
        bound_sockets(ServeSettings(**fields))


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"host": "0.0.0.0"}, "--api-key-file"),
        ({"host": "::"}, "--api-key-file"),
        ({"tls_cert": "a.pem"}, "--tls-key"),
        ({"tls_cert": "a.pem", "tls_key": "none.key"}, "no such file"),
        ({"adapter_dir": "none"}, "no such directory"),
    ],
)
def test_a_door_that_nobody_guards_is_not_opened(
    pems: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], word: str
) -> None:
    monkeypatch.chdir(pems)
    with pytest.raises(ConfigError, match=word):
        ServeSettings(**fields).check()
