"""What a program writes on standard error is heard, within bounds."""

from __future__ import annotations

import asyncio

from duihua.tools.mcp.stderr import Heard


def test_the_beginning_and_the_end_are_kept_and_the_writer_never_waits() -> None:
    async def work() -> None:
        heard = Heard()
        assert str(heard) == ""
        with heard.listening() as file:
            await asyncio.to_thread(lambda: file.write("begin" + "x" * 1_000_000 + "end") and file.flush())
            assert "begin" in str(heard)
        assert str(heard).startswith("; it said: begin")
        assert str(heard).endswith("end")
        assert len(str(heard)) < 1000
        with heard.listening():
            pass
        assert str(heard) == ""

    asyncio.run(work())
