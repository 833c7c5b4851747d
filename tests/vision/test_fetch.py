import asyncio
import shutil
import ssl
import subprocess
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from duihua.errors import InvalidImage
from duihua.image import Image
from duihua.vision.address import Reach
from duihua.vision.bounds import Bounds
from duihua.vision.fetch import Fetcher
from duihua.vision.known import KnownImages
from vision.pictures import encoded, flag
from vision.web import (
    ANYWHERE,
    CHUNKED,
    HOST,
    LOOPBACK,
    NO_LENGTH,
    Handler,
    Names,
    certificate,
    drip,
    endless_body,
    endless_chunks,
    endless_promises,
    redirect,
    reply,
    silence,
    silence_in_the_body,
    site,
)

FILE = encoded(flag())
FLAG = reply(FILE)


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work

    asyncio.run(bounded())


async def refused(fetcher: Fetcher, url: str) -> InvalidImage:
    """The refusal, which tells nothing of where a host leads."""
    with pytest.raises(InvalidImage) as caught:
        await fetcher.fetch(url)
    assert "127.0.0.1" in url or "127.0.0.1" not in str(caught.value)
    return caught.value


def refusal_of(answers: Mapping[str, bytes | Handler], path: str = "/a", **options: Any) -> InvalidImage:
    """How a fetch from such a server ends; the next one is served all the same."""
    caught: list[InvalidImage] = []

    async def work() -> None:
        async with site({**answers, "/flag.png": FLAG}) as web:
            settings: dict[str, Any] = {"reach": ANYWHERE, "resolve": Names(), **options}
            caught.append(await refused(Fetcher(**settings), web.url(path)))
            assert (await Fetcher(reach=ANYWHERE, resolve=Names()).fetch(web.url("/flag.png"))).data == FILE

    run(work())
    return caught[0]


# What is fetched


def test_a_picture_is_fetched_with_its_name() -> None:
    async def work() -> None:
        async with site({"/a/%E6%97%97.png": FLAG}) as web:
            image = await Fetcher(reach=ANYWHERE, resolve=Names()).fetch(web.url("/a/旗.png?key=secret#part"))
        assert image == Image(FILE, 16, 32)
        assert image.name == "旗.png"
        head = web.heads[0].lower().split("\r\n")
        assert head[0] == "get /a/%e6%97%97.png?key=secret http/1.1"
        assert {f"host: {HOST}:{web.port}", "accept-encoding: identity", "connection: close"} <= set(head)
        assert not [line for line in head if line.startswith(("cookie", "authorization", "referer"))]

    run(work())


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def work() -> None:
        async with site({"/flag.png": FLAG}) as web:
            assert (await Fetcher(reach=ANYWHERE, resolve=Names()).fetch(web.url("/flag.png"))).data == FILE

    run(work())


@pytest.mark.parametrize("body", [NO_LENGTH + FILE, CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(FILE), FILE)])
def test_a_server_need_not_say_the_length(body: bytes) -> None:
    async def work() -> None:
        async with site({"/a": body}) as web:
            assert (await Fetcher(reach=ANYWHERE, resolve=Names()).fetch(web.url("/a"))).data == FILE

    run(work())


def test_a_redirect_is_followed_and_its_host_resolved() -> None:
    async def work() -> None:
        names = Names(**{"other.test": "127.0.0.1"})
        answers: dict[str, bytes] = {"/b/c": redirect("../d"), "/d": FLAG}
        async with site(answers) as web:
            answers["/a"] = redirect(web.url("/b/c", "other.test"), "308 Permanent Redirect")
            assert (await Fetcher(reach=ANYWHERE, resolve=names).fetch(web.url("/a"))).data == FILE
            assert web.paths == ["/a", "/b/c", "/d"]
            assert names.asked == [HOST, "other.test", "other.test"]

    run(work())


def test_a_known_picture_is_the_same_object() -> None:
    async def work() -> None:
        async with site({"/a": FLAG}) as web:
            fetcher = Fetcher(reach=ANYWHERE, resolve=Names(), known=KnownImages())
            assert await fetcher.fetch(web.url("/a")) is await fetcher.fetch(web.url("/a"))

    run(work())


# Where it does not go


@pytest.mark.parametrize(
    "addresses",
    [
        "10.0.0.1",
        "169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "fe80::1%1",
        ["8.8.8.8", "10.0.0.1"],
        "0.0.0.0",
    ],
)
def test_a_host_that_leads_inside_is_refused(addresses: list[str] | str) -> None:
    error = refusal_of({}, resolve=Names(**{HOST: addresses}))
    assert (error.why, str(error)) == ("address", f"a: {HOST} is no host of the public internet: send the file itself")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "localhost"])
def test_this_machine_is_refused_under_each_of_its_names(host: str) -> None:
    async def work() -> None:
        async with site({"/a": FLAG}) as web:
            fetcher = Fetcher(reach=Reach(ports=None))
            assert (await refused(fetcher, web.url("/a", host))).why == "address"
            assert not web.heads

    run(work())


def test_a_redirect_inside_is_refused() -> None:
    async def work() -> None:
        answers: dict[str, bytes] = {"/secret": FLAG}
        reach = Reach(networks=LOOPBACK[:1], ports=None)
        async with site(answers) as web:
            for target in (f"http://{'10.0.0.1'}/", "http://[::1]/secret", "http://inside.test/", "//inside.test/a"):
                answers["/a"] = redirect(target)
                names = Names(**{"inside.test": "192.168.0.1"})
                assert (await refused(Fetcher(reach=reach, resolve=names), web.url("/a"))).why == "address", target
            assert web.paths == ["/a"] * 4

    run(work())


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.org/", "scheme"),
        ("data:image/png;base64,AAAA", "scheme"),
        ("http://user@pictures.test/", "url"),
        ("http://[", "url"),
        ("http://pictures.test:22/", "connection"),
        ("/a", "redirects"),
    ],
)
def test_a_redirect_to_no_place_is_refused(target: str, why: str) -> None:
    names = Names(**{HOST: ["127.0.0.1"]})
    assert refusal_of({"/a": redirect(target)}, resolve=names).why == why


def test_a_name_that_changes_its_answer_is_asked_once_and_held_to_it() -> None:
    async def work() -> None:
        names = Names()

        async def rebinding(host: str, port: int) -> list[str]:
            await names(host, port)
            return ["127.0.0.1"] if len(names.asked) == 1 else ["10.0.0.1"]

        async with site({"/a": FLAG}) as web:
            fetcher = Fetcher(reach=ANYWHERE, resolve=rebinding)
            assert (await fetcher.fetch(web.url("/a"))).data == FILE
            assert names.asked == [HOST]
            assert (await refused(fetcher, web.url("/a"))).why == "address"

    run(work())


def test_redirects_are_bounded() -> None:
    async def work() -> None:
        async with site({"/0": redirect("/1"), "/1": redirect("/2"), "/2": redirect("/3"), "/3": FLAG}) as web:
            three, two = (Reach(networks=LOOPBACK, ports=None, redirects=most) for most in (3, 2))
            assert (await Fetcher(reach=three, resolve=Names()).fetch(web.url("/0"))).data == FILE
            error = await refused(Fetcher(reach=two, resolve=Names()), web.url("/0"))
            assert (error.why, str(error)) == ("redirects", "0: it leads on more than 2 times: give the last URL")
            assert web.paths == ["/0", "/1", "/2", "/3", "/0", "/1", "/2"]

    run(work())


def test_other_ports_and_hosts_are_not_asked_unless_they_may_be() -> None:
    async def work() -> None:
        async with site({"/a": FLAG}) as web:
            for reach in (Reach(networks=LOOPBACK), Reach(networks=LOOPBACK, ports=None, hosts=["example.org"])):
                names = Names()
                assert (await refused(Fetcher(reach=reach, resolve=names), web.url("/a"))).why == "address"
                assert not names.asked
            assert not web.heads

    run(work())


# What servers do


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply(b"<html>sign in</html>", "Content-Type: image/png"), "kind"),
        (reply(FILE[:-20]), "truncated"),
        (reply(b"", status="404 Not Found"), "status"),
        (reply(FILE, status="500 Internal Server Error"), "status"),
        (reply(FILE, status="206 Partial Content"), "status"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "status"),
        (reply(b"", status="302 Found"), "status"),
        (reply(b"", status="304 Not Modified"), "status"),
        (reply(b"\x1f\x8b" + FILE, "Content-Encoding: gzip"), "status"),
        (reply(FILE, "Content-Encoding: br"), "status"),
        (b"", "connection"),
        (b"\0\1\2\3\r\n\r\n", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + FILE, "connection"),
        (CHUNKED + b"zz\r\n", "connection"),
        (CHUNKED + b"ffffff\r\n" + FILE, "connection"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + FILE, "truncated"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + FILE, "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "bytes"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_send_the_picture_is_told(answer: bytes, why: str) -> None:
    assert refusal_of({"/a": answer}).why == why


@pytest.mark.parametrize("answer", [endless_body, endless_chunks])
def test_what_does_not_end_is_cut_off_at_the_bound(answer: Handler) -> None:
    error = refusal_of({"/a": answer}, bounds=Bounds(max_bytes=200_000))
    assert (error.why, "200,000 bytes" in str(error)) == ("bytes", True)


@pytest.mark.parametrize("answer", [silence, silence_in_the_body, drip, endless_promises])
def test_what_does_not_come_in_time_is_given_up(answer: Handler) -> None:
    error = refusal_of({"/a": answer}, bounds=Bounds(seconds=0.3))
    assert str(error) == "a: it did not come within 0.3 seconds: try again, or send the file"
    assert error.why == "time"


def test_a_resolver_that_does_not_answer_is_given_up() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    assert refusal_of({}, resolve=never, bounds=Bounds(seconds=0.1)).why == "time"


def test_a_host_without_an_address_is_told() -> None:
    nobody = Names()
    del nobody.names[HOST]
    for names in (nobody, Names(**{HOST: []}), Names(**{HOST: "no address"})):
        error = refusal_of({}, resolve=names)
        assert (error.why, str(error)) == ("connection", f"a: there is no host {HOST}: check the URL")


def test_a_server_that_is_not_there_is_told() -> None:
    async def work() -> None:
        async with site({}) as web:
            url = web.url("/a")
        error = await refused(Fetcher(reach=ANYWHERE, resolve=Names()), url)
        assert (error.why, f"{HOST}:{web.port} cannot be reached" in str(error)) == ("connection", True)

    run(work())


@pytest.mark.parametrize("answer", [silence, silence_in_the_body])
def test_cancelling_closes_the_connection(answer: Handler) -> None:
    async def work() -> None:
        async with site({"/a": answer}) as web:
            fetching = asyncio.create_task(Fetcher(reach=ANYWHERE, resolve=Names()).fetch(web.url("/a")))
            await web.asked.wait()
            fetching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await fetching
            await web.gone.wait()

    run(work())


# Certificates


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    return certificate(tmp_path_factory.mktemp("tls"))


def test_a_certificate_is_checked_against_the_host(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    served, trusting = contexts

    async def work() -> None:
        async with site({"/a": FLAG}, served) as web:
            names = Names(**{"other.test": "127.0.0.1"})
            fetcher = Fetcher(reach=ANYWHERE, resolve=names, ssl_context=trusting)
            assert (await fetcher.fetch(web.url("/a"))).data == FILE
            for host in ("other.test", "127.0.0.1"):
                error = await refused(fetcher, web.url("/a", host))
                assert (error.why, f"the certificate of {host} does not hold" in str(error)) == ("connection", True)
            untrusting = Fetcher(reach=ANYWHERE, resolve=names)
            assert "self-signed certificate" in str(await refused(untrusting, web.url("/a")))
            assert len(web.heads) == 1

    run(work())


def test_https_does_not_lead_to_http(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    served, trusting = contexts

    async def work() -> None:
        async with site({"/a": FLAG}) as plain, site({"/a": redirect(plain.url("/a"))}, served) as web:
            fetcher = Fetcher(reach=ANYWHERE, resolve=Names(), ssl_context=trusting)
            error = await refused(fetcher, web.url("/a"))
            assert (error.why, "leads from https to http" in str(error)) == ("redirects", True)
            assert not plain.heads

    run(work())


def test_certificates_cannot_be_left_unchecked() -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    with pytest.raises(ValueError, match="does not check certificates"):
        Fetcher(ssl_context=context)
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="does not check certificates"):
        Fetcher(ssl_context=context)


def test_importing_the_room_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, duihua.vision.read, duihua.vision.known, duihua.vision.address; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert not {"PIL", "numpy", "torch", "httpcore2", "idna", "anyio"} & set(done.stdout.split())
