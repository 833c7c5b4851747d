"""A web server on loopback that answers each path as it is told, and the names that lead to it."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

from duihua.vision.address import Reach

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
ANYWHERE = Reach(networks=LOOPBACK, ports=None)
HOST = "pictures.test"
NO_LENGTH = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Site:
    """What was asked of the server, and where it is."""

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.scheme = scheme
        self.heads: list[str] = []  # of the requests, as they came
        self.asked = asyncio.Event()  # a request has come
        self.gone = asyncio.Event()  # a client went before it had its answer

    def url(self, path: str, host: str = HOST) -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]


@asynccontextmanager
async def site(answers: Mapping[str, bytes | Handler], tls: ssl.SSLContext | None = None) -> AsyncGenerator[Site]:
    """A server with a whole reply, or something that writes one, for each path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            made.heads.append(head)
            made.asked.set()
            answer = answers[head.split(" ")[1].partition("?")[0]]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            made.gone.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    made = Site(server.sockets[0].getsockname()[1], "http" if tls is None else "https")
    async with server:
        yield made
        server.close()


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return reply(b"", f"Location: {to}", status=status)


# Servers that keep a client waiting, or fill it


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(bytes(10_000))
        await writer.drain()


async def endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(NO_LENGTH)
    await endless(reader, writer)


async def endless_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    while True:
        writer.write(b"400\r\n" + bytes(1024) + b"\r\n")
        await writer.drain()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    raise ConnectionError


async def silence_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(NO_LENGTH + b"a")
    await silence(reader, writer)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte at a time, each soon enough to keep any patience for a single read."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(1_000_000):
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.005)


async def endless_promises(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0)


# Names and certificates


class Names:
    """A resolver that knows what it is told, and counts."""

    def __init__(self, **names: Sequence[str] | str) -> None:
        self.names: dict[str, Sequence[str] | str] = {HOST: "127.0.0.1", **names}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        found = self.names.get(host)
        if found is None:
            raise OSError("Name or service not known")
        return [found] if isinstance(found, str) else found


def certificate(folder: Path, host: str = HOST) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for this host, and a client's that trusts it."""
    key, file = folder / "key.pem", folder / "certificate.pem"
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    of_host = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    command = ["openssl", *made, *of_host, "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file, key)
    return served, ssl.create_default_context(cafile=str(file))
