import asyncio
from ipaddress import ip_address

import httpcore2
import pytest

from duihua.vision.door import Door, resolve_host
from vision.web import site

HERE, NOBODY = ip_address("127.0.0.1"), ip_address("127.0.0.9")


def test_the_systems_resolver_knows_this_machine() -> None:
    found = asyncio.run(resolve_host("localhost", 80))
    assert set(found) & {"127.0.0.1", "::1"}
    assert len(set(found)) == len(found)
    with pytest.raises(OSError, match=r".+"):
        asyncio.run(resolve_host("nobody.invalid", 80))


def test_a_door_leads_to_its_address_whatever_the_host_is_called() -> None:
    async def work() -> None:
        async with site({"/": b"hello"}) as web:
            door = Door([HERE], 5)
            stream = await door.connect_tcp("example.org", web.port)
            await stream.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await stream.read(5) == b"hello"
            await door.close()

    asyncio.run(work())


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async def work() -> None:
        async with site({}) as web:
            door = Door([ip_address("::1"), NOBODY, HERE], 5)
            await door.connect_tcp("example.org", web.port)
            await door.close()
            for addresses in ([NOBODY], [NOBODY, NOBODY, NOBODY, HERE]):  # three are tried
                with pytest.raises(httpcore2.ConnectError):
                    await Door(addresses, 5).connect_tcp("example.org", web.port)

    asyncio.run(work())


def test_closing_a_door_closes_the_connection() -> None:
    async def work() -> None:
        async with site({}) as web, asyncio.timeout(10):
            door = Door([HERE], 5)
            stream = await door.connect_tcp("example.org", web.port)
            assert not web.gone.is_set()
            await door.close()
            await web.gone.wait()
            await door.close()
            with pytest.raises(httpcore2.ReadError):
                await stream.read(1)
        await Door([HERE], 5).close()

    asyncio.run(work())
