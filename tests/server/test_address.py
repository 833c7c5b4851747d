"""Where the server listens."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from duihua.errors import ConfigError
from duihua.server.address import bound_sockets
from duihua.server.settings import ServeSettings
from server.asgi import serving
from server.listening import listening, said

HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
BOTH = ((socket.AF_INET, ("127.0.0.1",)), (socket.AF_INET6, ("::1",)))


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[int, tuple[str, ...]]) -> None:
    """Have `localhost` mean these addresses; what it means on a machine is the machine's."""
    real = socket.getaddrinfo

    def found(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host != "localhost":
            return real(host, port, *rest, **more)
        ends = {socket.AF_INET: (port,), socket.AF_INET6: (port, 0, 0)}
        return [
            (family, socket.SOCK_STREAM, 6, "", (*host, *ends[socket.AddressFamily(family)]))
            for family, host in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_a_name_is_answered_at_every_address_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, *BOTH, BOTH[0])

    async def whole() -> tuple[str, list[bytes]]:
        async with listening(serving(host="localhost", port=0)) as url:
            return url, [await said(url.replace("localhost", host), HEALTH) for host in ("127.0.0.1", "[::1]")]

    url, replies = asyncio.run(whole())
    assert url.startswith("http://localhost:")
    assert [reply.split(b"\r\n")[0] for reply in replies] == [b"HTTP/1.1 200 OK"] * 2


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_a_port_that_is_taken_at_one_of_them_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, *BOTH)
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen at localhost:{port}"):
            bound_sockets(ServeSettings(host="localhost", port=port))
    with socket.create_server(("127.0.0.1", port)):
        pass  # what had been bound before is free again


def test_an_address_that_the_machine_lacks_is_passed_by_where_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, (socket.AF_INET6, ("2001:db8::1",)), BOTH[0])
    settings = ServeSettings(host="localhost", port=0, insecure=True)
    (made,) = bound_sockets(settings)
    assert made.getsockname()[0] == "127.0.0.1"
    made.close()
    resolving(monkeypatch, (socket.AF_INET6, ("2001:db8::1",)))
    with pytest.raises(ConfigError, match="cannot listen"):
        bound_sockets(settings)


def test_a_local_name_that_leads_elsewhere_needs_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, BOTH[0], (socket.AF_INET, ("0.0.0.0",)))
    with pytest.raises(ConfigError, match=r"localhost is 0\.0\.0\.0 here.*--api-key-file"):
        bound_sockets(ServeSettings(host="localhost", port=0))


def test_an_address_that_is_taken_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError, match="choose another"):
            bound_sockets(ServeSettings(port=other.getsockname()[1]))


@pytest.mark.parametrize("host", ["no such host", "host.invalid", "192.0.2.1"])
def test_an_address_that_is_none_of_this_machine_s_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="host"):
        bound_sockets(ServeSettings(host=host, port=0))


def test_files_that_are_no_certificate_are_refused_before_anything_is_bound(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate", encoding="utf-8")
    with pytest.raises(ConfigError, match="--tls-cert"):
        bound_sockets(ServeSettings(port=0, tls_cert=str(tmp_path / "cert.pem"), tls_key=str(tmp_path / "cert.pem")))
