import asyncio
import re
from collections.abc import Coroutine

import httpx
import pytest

from web.stage import served


def run(scene: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 60))


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    async def scene() -> None:
        async with served() as stage, httpx.AsyncClient(base_url=stage.url) as http:
            reply = await http.get("/")
            assert reply.status_code == 200
            policy = reply.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "http" not in policy
            theme = (await http.get("/theme.css")).text
            assert not re.search(r"@import|url\(.?(https?:)?//", theme)
            config = (await http.get("/config")).json()
            assert config["analytics_enabled"] is False
            assert config["footer_links"] == []
            for path in ("/docs", "/redoc", "/openapi.json"):
                assert (await http.get(path)).status_code == 404

    run(scene())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:7860", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1", 200),
        ("[::1]:7860", 200),
        ("evil.example", 421),
        ("localhost.evil.example:7860", 421),
        ("", 421),
    ],
)
def test_on_this_machine_only_its_own_names_are_answered(host: str, status: int) -> None:
    async def scene() -> None:
        async with served() as stage, httpx.AsyncClient(base_url=stage.url) as http:
            assert (await http.get("/config", headers={"host": host})).status_code == status

    run(scene())


def test_nothing_is_uploaded() -> None:
    async def scene() -> None:
        async with served() as stage, httpx.AsyncClient(base_url=stage.url) as http:
            reply = await http.post("/gradio_api/upload", files={"files": ("a.txt", b"many bytes")})
            assert reply.status_code == 413

    run(scene())


def test_an_open_page_does_not_hold_the_end() -> None:
    async def scene() -> None:
        async with httpx.AsyncClient() as http, served() as stage:
            alive = http.stream("GET", f"{stage.url}gradio_api/heartbeat/visitor")
            stream = await alive.__aenter__()
            await anext(stream.aiter_lines())
            closing = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - closing < 2.5  # below the grace that streams are given
        await alive.__aexit__(None, None, None)

    run(scene())
